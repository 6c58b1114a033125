"""Argo CD's ApplicationSet controller is known by what it does when it is asked, and by nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from onboarding.domain.errors import Refused, Transient
from onboarding.models import Fleet, Hub, HubWatch
from onboarding.ports import HubKind
from onboarding.services.observing import hub_parts, observations, set_controller_watch
from onboarding.services.observing.watches import Watch
from tests.fakes import START, FakeClock, FakeHub

pytestmark = pytest.mark.django_db
REFRESH = "argocd.argoproj.io/application-set-refresh"


class AskedHub(FakeHub):
    """A hub whose sets carry the request until `looks` takes it away, as the controller does."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    def a_set(self, name: str, *, asked_at: datetime | None = None, fails: bool = False) -> None:
        item: dict[str, Any] = {"metadata": {"name": name, "uid": name}, "spec": {}}
        if asked_at is not None:
            item["metadata"]["annotations"] = {REFRESH: asked_at.isoformat()}
        status = "True" if fails else "False"
        item["status"] = {"conditions": [{"type": "ErrorOccurred", "status": status}]}
        self.put(HubKind.APPLICATION_SETS, item)

    def ask_application_set_to_look(self, name: str) -> str:
        super().ask_application_set_to_look(name)
        self.a_set(name, asked_at=self.clock.now())
        return str(self.latest)


class Place:
    def __init__(self) -> None:
        fleet = Fleet.objects.create(name="fleet", repository_url="https://git.example.com/f.git")
        hub = Hub.objects.create(fleet=fleet, name="hub-cluster")
        self.clock = FakeClock()
        self.hub = AskedHub(self.clock)
        watch = observations.claim(hub=hub, holder="watcher-1", clock=self.clock)
        assert watch is not None
        self.watch: Watch = watch

    def hear(self) -> None:
        """What the hub's sets say now."""
        observations.list_kind(
            watch=self.watch,
            kind=HubKind.APPLICATION_SETS,
            reader=self.hub,
            clock=self.clock,
        )

    def after(self, seconds: float, *, hear: bool = True) -> dict[str, Any]:
        """What is known of the controller some seconds later."""
        self.clock.advance(seconds)
        if hear:
            self.hear()
        set_controller_watch.observe(watch=self.watch, reader=self.hub, clock=self.clock)
        entry: dict[str, Any] = HubWatch.objects.get().kinds.get(set_controller_watch.PART, {})
        return entry


@pytest.fixture
def place() -> Place:
    return Place()


def test_it_asks_for_a_sign_of_life_and_hears_it(place: Place) -> None:
    place.hub.a_set("b")
    place.hub.a_set("a", fails=True)
    assert place.after(0)["problem"] == ""
    assert place.hub.asked == ["b"], "one that fails keeps its request whoever looks"
    place.hub.a_set("b")  # looked at before anybody read that it was asked
    assert place.after(5, hear=False)["looked_at"] is None, (
        "what is older than the request says nothing"
    )
    entry = place.after(5)
    assert (entry["looked_at"], entry["pending"]) == (place.clock.now().isoformat(), {})
    # It is asked again after five minutes, and not before.
    place.after(290)
    assert place.hub.asked == ["b"]
    place.after(15)
    assert place.hub.asked == ["b", "b"]


def test_it_says_that_it_is_away_and_since_when(place: Place) -> None:
    place.hub.a_set("a")
    place.after(0)
    assert place.after(80)["problem"] == ""
    entry = place.after(10)
    assert entry["problem"] == (
        "It was asked at 09:00 UTC to look at ApplicationSet a, and has looked at none since."
    )
    assert entry["problem_since"] == START.isoformat()
    assert place.after(900)["problem_since"] == START.isoformat()
    assert place.hub.asked == ["a"], "it is not asked over and over"
    place.hear()
    row = HubWatch.objects.get()
    assert row.problem.startswith("It was asked at 09:00 UTC")
    place.hub.a_set("a")
    entry = place.after(5)
    assert (entry["problem"], "problem_since" in entry) == ("", False)


def test_it_heeds_what_others_asked_for(place: Place) -> None:
    """After each delivery sets are asked to look; no question of its own is needed then."""
    for name in "ab":
        place.hub.a_set(name, asked_at=START)
    place.after(5)
    assert place.hub.asked == []
    # Asked once more meanwhile: it counts from the first time.
    place.hub.a_set("a", asked_at=START + timedelta(seconds=60))
    assert "ApplicationSet a" in place.after(90)["problem"]


def test_one_set_that_hangs_is_no_controller_that_is_away(place: Place) -> None:
    for name in "ab":
        place.hub.a_set(name, asked_at=START)
    place.after(5)
    place.hub.a_set("b")
    for _ in range(3):
        assert place.after(200)["problem"] == ""
        place.hub.a_set("b")
    assert place.hub.asked == ["b"], "the one that hangs is not asked"
    # Now the controller is away, too.
    place.after(5)
    place.after(300)
    assert place.hub.asked == ["b", "b"]
    assert "ApplicationSet b" in place.after(120)["problem"]


def test_it_says_nothing_while_the_sets_are_not_heard_of(place: Place) -> None:
    assert place.after(0, hear=False) == {}
    assert place.hub.asked == []
    place.hub.a_set("a")
    place.after(5)
    place.clock.advance(600)
    hub_parts.report_problem(
        watch=place.watch, part="applicationsets", problem="Away.", clock=place.clock
    )
    assert place.after(600, hear=False)["problem"] == ""
    place.hub.a_set("a")
    assert place.after(5)["problem"] == "", "its answer was there all the time"


@pytest.mark.parametrize(
    "error", [Refused("No right to patch applicationsets.", code="forbidden"), Transient("Away.")]
)
def test_it_says_why_nothing_is_known(place: Place, error: Refused | Transient) -> None:
    place.hub.a_set("a")
    place.hear()
    place.hub.failing = error
    for _ in range(3):
        entry = place.after(5, hear=False)
    assert (entry["problem"], entry["unknown"]) == ("", str(error))
    place.hub.failing = None
    place.after(300)
    place.hub.a_set("a")
    assert place.after(5)["unknown"] == ""


def test_a_hub_without_sets_is_not_called_broken(place: Place) -> None:
    entry = place.after(5)
    assert (entry["problem"], entry["unknown"]) == ("", set_controller_watch.NO_SET)
    place.hub.a_set("a", fails=True)
    assert place.after(600)["unknown"] == set_controller_watch.NO_SET
    place.hub.a_set("a")
    place.after(5)
    place.hub.remove(HubKind.APPLICATION_SETS, "a")
    assert place.after(600)["problem"] == "", "it went away, and its request with it"


def test_what_is_known_of_another_hub_counts_for_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.hub.a_set("a", asked_at=START)
    place.hear()
    ask = set_controller_watch.ask

    def replaced(*args: Any) -> Any:
        HubWatch.objects.update(identity="hub-uid-2", kinds={})
        return ask(*args)

    monkeypatch.setattr(set_controller_watch, "ask", replaced)
    assert place.after(200, hear=False) == {}
