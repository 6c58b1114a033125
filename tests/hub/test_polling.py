"""A hub that nobody tells of a commit: the page says by when it looks by itself, and that is so."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from tests.hub.fleet import REFRESH_SET, REGISTRATION
from tests.hub.harness import eventually
from tests.hub.product import House
from tests.hub.test_trouble import asked_for

_POLL = re.compile(
    r"it notices within (\d+) (second|minute)s?, by (\d\d:\d\d:\d\d) UTC at the latest"
)


@contextmanager
def rights_without(house: House, verb: str) -> Iterator[None]:
    """The product's account has all of its rights on the hub but one verb."""
    role = house.hub.kube.get("Role", "fleet-ui")
    assert role is not None
    less = [
        {**rule, "verbs": [one for one in rule["verbs"] if one != verb]} for rule in role["rules"]
    ]
    house.hub.kube.patch("Role", "fleet-ui", {"rules": [rule for rule in less if rule["verbs"]]})
    try:
        yield
    finally:
        house.hub.kube.patch("Role", "fleet-ui", {"rules": role["rules"]})


def look_now(house: House) -> None:
    """The hub looks at Git, so that its next look by itself is three minutes away."""
    house.fleet.refresh_set()

    def has_looked() -> bool:
        found = house.hub.kube.get("ApplicationSet", REGISTRATION) or {}
        return REFRESH_SET not in found["metadata"].get("annotations", {})

    eventually(has_looked, "the hub has looked")


def test_it_says_when_the_hub_looks_by_itself_where_nobody_told_it(
    house: House, measured: list[str]
) -> None:
    """Without the right to have the hub look, and without a webhook of the Git host: its own poll."""
    with rights_without(house, "patch"):
        spoke, change = asked_for(house, "spoke-untold", "probe-a")
        look_now(house)
        house.product.approve(change)
        page = house.page(
            spoke.name,
            lambda page: _POLL.search(page.text) is not None and page.state == "Committed",
        )
        assert "No webhook told the hub." in page.text
        assert "let the Git host call Argo CD's webhook, which makes it look at once" in page.text
        found = _POLL.search(page.text)
        assert found
        left = int(found[1]) * (60 if found[2] == "minute" else 1)
        assert 0 < left <= 360
        hour, minute, second = map(int, found[3].split(":"))
        promised = datetime.now(UTC).replace(hour=hour, minute=minute, second=second, microsecond=0)
        # It keeps what was said of it: the hub has seen it by then, and nobody told it.
        eventually(
            lambda: house.fleet.application(f"fleet-secret-{spoke.name}"), "the hub polled", 380
        )
        late = (datetime.now(UTC) - promised).total_seconds()
        measured.append(f"poll of Git, after the time that the page promised: {late:.0f} s")
        assert late < 15
    house.healthy(spoke.name)
