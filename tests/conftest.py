"""In which order tests run, and which of them on real engines (`./fleet test services`)."""

from __future__ import annotations

import os

import pytest

_DATABASE_FIXTURES = {"db", "transactional_db", "live_server", "client", "admin_client"}


@pytest.hookimpl(trylast=True)  # after the plugins that put items into an order of their own
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the browser last: from its first page on a loop runs, in which Django refuses the database.

    What runs on a real hub runs as it is written, module by module: each starts the product once.
    On real engines, leave out what neither touches the database nor is marked `services`: nothing
    new is seen there.
    """
    items.sort(key=_turn)
    if "TEST_DATABASE_URL" not in os.environ:
        return
    kept = [item for item in items if _meets_an_engine(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _turn(item: pytest.Item) -> tuple[bool, str, int]:
    place = ("", 0)
    if item.get_closest_marker("hub"):
        place = (str(item.path), item.location[1] or 0)
    return item.get_closest_marker("browser") is not None, *place


def _meets_an_engine(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return bool(
        item.get_closest_marker("services")
        or item.get_closest_marker("django_db")
        or fixtures & _DATABASE_FIXTURES
    )
