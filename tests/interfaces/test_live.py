"""Whoever listens hears that something moved, and one look at the database serves all listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import structlog
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import AsyncClient, Client

from fleetui import logs
from onboarding.models import Fleet
from onboarding.services.observing import pulses
from onboarding.views import live
from onboarding.views.live import Pulses, signs
from tests.asynchronous import run


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PERIOD", 0.001)


class Told:
    """What a process reads of the fleets' pulses: the next of these each time, at last the last."""

    def __init__(self, *numbers: Any) -> None:
        self.left, self.reads = list(numbers), 0

    def __call__(self) -> Any:
        self.reads += 1
        found = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if isinstance(found, Exception):
            raise found
        return found


async def heard(stream: AsyncIterator[str], most: int = 1000) -> list[str]:
    found: list[str] = []
    async for each in stream:
        found.append(each)
        if len(found) == most:
            break
    return found


def test_it_says_that_something_moved_and_nothing_else() -> None:
    of = Pulses(Told({1: (1, 1)}, {1: (1, 1)}, {1: (2, 1)}, {1: (2, 1)}, {1: (2, 2)}))
    assert asyncio.run(heard(signs(of, 1), 3)) == [
        "retry: 3000\n\n",
        "data: moved\n\n",
        "data: moved\n\n",
    ]


def test_it_says_nothing_of_another_fleet() -> None:
    of = Pulses(Told({1: (1, 1), 2: (1, 1)}, {1: (1, 1), 2: (2, 1)}))
    assert asyncio.run(heard(signs(of, 1, longest=0.05))) == ["retry: 3000\n\n"]


def test_it_gives_a_sign_of_life_and_ends_so_that_rights_are_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_SIGN_OF_LIFE", 0.0)
    of = Pulses(Told({1: (1, 1)}))
    found = asyncio.run(heard(signs(of, 1, longest=0.05)))
    assert set(found[1:]) == {": nothing moved\n\n"}
    assert of.listeners == 0


def test_it_ends_where_the_database_cannot_be_asked() -> None:
    of = Pulses(Told({1: (1, 1)}, OperationalError("gone")))
    assert asyncio.run(heard(signs(of, 1))) == ["retry: 3000\n\n"]
    assert of.listeners == 0


def test_one_look_serves_all_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PERIOD", 60)
    told = Told({1: (7, 1), 2: (8, 1)})

    async def many() -> list[tuple[int, int]]:
        of = Pulses(told)
        return await asyncio.gather(*(of.of(1 + number % 2) for number in range(50)))

    assert asyncio.run(many()) == [(7, 1), (8, 1)] * 25
    assert told.reads == 1


def test_a_pulse_beats_for_its_fleet_alone(
    db: None, django_assert_num_queries: Callable[..., Any]
) -> None:
    one, two = (
        Fleet.objects.create(name=name, repository_url=f"https://git.example.com/{name}.git")
        for name in ("one", "two")
    )
    for _ in range(3):
        pulses.beat(fleet=one)
    pulses.beat(fleet=two)
    with django_assert_num_queries(2):
        assert pulses.numbers() == {one.pk: (2, 0), two.pk: (0, 0)}


def keeps_no_session() -> bool:
    """Whether this thread has none open with the database; one in memory is never closed."""
    return connection.connection is None or connection.vendor == "sqlite"


@pytest.mark.django_db(transaction=True)
def test_it_is_a_stream_for_who_may_see_the_fleet(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet.objects.create(name="one", repository_url="https://git.example.com/one.git")
    user = User.objects.create_superuser("root")
    told = Told({fleet.pk: (1, 1)}, {fleet.pk: (2, 1)})
    monkeypatch.setattr(live, "_pulses", Pulses(told))

    async def answer() -> tuple[Any, list[str]]:
        client = AsyncClient()
        await client.aforce_login(user)
        found = await client.get("/live/")
        assert await sync_to_async(keeps_no_session)(), "while it is open"
        return found, await heard(found.streaming_content, 2)

    found, lines = run(answer())
    assert (found.status_code, found["Content-Type"]) == (200, "text/event-stream")
    assert found["Cache-Control"] == "no-store"
    assert lines == [b"retry: 3000\n\n", b"data: moved\n\n"]


@pytest.mark.django_db(transaction=True)
def test_it_is_refused_for_good_where_too_many_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    Fleet.objects.create(name="one", repository_url="https://git.example.com/one.git")
    user = User.objects.create_superuser("root")
    full = Pulses(Told({}))
    full.listeners = live._MOST_LISTENERS
    monkeypatch.setattr(live, "_pulses", full)

    async def status() -> int:
        client = AsyncClient()
        await client.aforce_login(user)
        return (await client.get("/live/")).status_code

    assert run(status()) == 204
    assert Client().get("/live/").status_code == 302


def test_that_a_page_was_left_is_not_logged() -> None:
    with pytest.raises(structlog.DropEvent):
        logs.but_streams_that_ended(None, "warning", {"event": "streaming_cancelled"})
    other = {"event": "request_finished"}
    assert logs.but_streams_that_ended(None, "info", other) is other
