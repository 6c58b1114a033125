"""Whoever listens hears that something moved, and one look at the database serves all listeners."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import AsyncClient, Client

from fleetui import logs
from onboarding import wiring
from onboarding.models import Fleet, SignIn
from onboarding.services import sign_ins
from onboarding.services.observing import pulses
from onboarding.views import live, signed_in
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


def nobody(sessions: Collection[int]) -> Collection[int]:
    """All who listen are signed in as before."""
    return ()


async def heard(stream: AsyncIterator[str], most: int = 1000) -> list[str]:
    found: list[str] = []
    async for each in stream:
        found.append(each)
        if len(found) == most:
            break
    return found


def test_it_says_that_something_moved_and_nothing_else() -> None:
    of = Pulses(Told({1: (1, 1)}, {1: (1, 1)}, {1: (2, 1)}, {1: (2, 1)}, {1: (2, 2)}), nobody)
    assert asyncio.run(heard(signs(of, 1, 7), 3)) == [
        "retry: 3000\n\n",
        "data: moved\n\n",
        "data: moved\n\n",
    ]


def test_it_says_nothing_of_another_fleet() -> None:
    of = Pulses(Told({1: (1, 1), 2: (1, 1)}, {1: (1, 1), 2: (2, 1)}), nobody)
    assert asyncio.run(heard(signs(of, 1, 7, longest=0.05))) == ["retry: 3000\n\n"]


def test_it_gives_a_sign_of_life_and_ends_so_that_rights_are_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live, "_SIGN_OF_LIFE", 0.0)
    of = Pulses(Told({1: (1, 1)}), nobody)
    found = asyncio.run(heard(signs(of, 1, 7, longest=0.05)))
    assert set(found[1:]) == {": nothing moved\n\n"}
    assert of.listeners == 0


def test_it_ends_where_the_database_cannot_be_asked() -> None:
    of = Pulses(Told({1: (1, 1)}, OperationalError("gone")), nobody)
    assert asyncio.run(heard(signs(of, 1, 7))) == ["retry: 3000\n\n"]
    assert of.listeners == 0


def test_it_ends_with_its_session_and_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within seconds, and by one question for all who listen."""
    monkeypatch.setattr(live, "SESSIONS_PERIOD", 0.02)
    asked: list[set[int]] = []

    def ended(sessions: Collection[int]) -> Collection[int]:
        asked.append(set(sessions))
        return {7} if len(asked) > 2 else ()

    of = Pulses(Told({1: (1, 1)}), ended)

    async def both() -> tuple[float, float]:
        async def lasts(session: int) -> float:
            await heard(signs(of, 1, session, longest=0.5))
            return asyncio.get_running_loop().time()

        return await asyncio.gather(lasts(7), lasts(8))

    seven, eight = asyncio.run(both())
    assert seven < eight - 0.2
    assert asked[1] == {7, 8}
    assert asked[-1] == {8}
    assert not of.sessions


@pytest.mark.django_db(transaction=True)
def test_a_stream_is_over_seconds_after_somebody_signs_out() -> None:
    Fleet.objects.create(name="one", repository_url="https://git.example.com/one.git")
    user = User.objects.create_superuser("root")

    def over(end: Callable[[Client, SignIn], object]) -> None:
        client = Client()
        client.force_login(user)
        sign_in = SignIn.objects.latest("pk")
        limits, clock = signed_in.limits(), wiring.clock()
        assert sign_ins.ended_of([sign_in.pk], limits=limits, clock=clock) == frozenset()
        end(client, sign_in)
        assert sign_ins.ended_of([sign_in.pk], limits=limits, clock=clock) == {sign_in.pk}

    over(lambda client, _: client.post("/logout/"))
    over(lambda _, sign_in: sign_ins.end(owner=user, pk=sign_in.pk))
    long_ago = datetime.now(UTC) - timedelta(hours=13)
    over(lambda _, row: SignIn.objects.filter(pk=row.pk).update(seen_at=long_ago))
    over(lambda *_: User.objects.update(is_active=False))


def test_one_look_serves_all_who_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PERIOD", 60)
    told = Told({1: (7, 1), 2: (8, 1)})

    async def many() -> list[tuple[int, int]]:
        of = Pulses(told, nobody)
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
    monkeypatch.setattr(live, "_pulses", Pulses(told, nobody))

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
    full = Pulses(Told({}), nobody)
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
