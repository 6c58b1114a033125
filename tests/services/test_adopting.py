"""Adopting step by step: who may ask, what a worker finds, what is confirmed once, Git untouched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from onboarding.domain.errors import Refused
from onboarding.models import Adoption, Cluster, Event, Fleet
from onboarding.ports import FleetRepository
from onboarding.services import adopting
from onboarding.services.surveying import survey
from tests import repositories
from tests.domain.test_layout_detection import MEMBER, MEMBERS
from tests.fakes import MemoryRemote, MemoryRepository
from tests.services.test_surveying import FLEET
from tests.stage import Stage

State = Adoption.State


class Place:
    """The stage with an administrator and a repository to adopt."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.remote = MemoryRemote(FLEET)
        self.administrator = stage.person("ada", "administrator")
        self.visited: list[str] = []

    @contextmanager
    def visit(self, fleet: Fleet) -> Iterator[FleetRepository]:
        assert not fleet.pk
        self.visited.append(fleet.repository_url)
        yield MemoryRepository(self.remote)

    def ask(self, **changes: Any) -> Adoption:
        url = "https://git.example.com/fleet.git"
        values: Mapping[str, Any] = {"name": "found", "repository_url": url, "branch": "main"}
        return adopting.ask(
            **({"actor": self.administrator} | changes),
            values=values,
            clock=self.stage.clock,
            queue=self.stage.queue,
        )

    def work(self, adoption: Adoption) -> Adoption:
        adopting.work(
            adoption_id=adoption.pk,
            visit=self.visit,
            repository=lambda fleet: MemoryRepository(self.remote),
            clock=self.stage.clock,
        )
        adoption.refresh_from_db()
        return adoption

    def confirm(self, adoption: Adoption, **changes: Any) -> Fleet:
        return adopting.confirm(
            **({"actor": self.administrator} | changes),
            adoption=adoption,
            clock=self.stage.clock,
            queue=self.stage.queue,
        )

    def is_adopted(self) -> bool:
        return Fleet.objects.filter(name="found").exists()


@pytest.fixture
def place(stage: Stage) -> Place:
    return Place(stage)


def bell(adoption: Adoption) -> tuple[str, dict[str, int]]:
    return adopting.TASK, {"adoption_id": adoption.pk}


def test_it_adopts_a_fleet_in_four_steps_and_writes_nothing_to_git(place: Place) -> None:
    before = place.remote.tip, set(place.remote.commits), repositories.tip(place.stage.bare)
    adoption = place.ask()
    assert (adoption.state, place.stage.queue.woken) == (State.ASKED, [bell(adoption)])
    place.work(adoption)
    assert (adoption.state, adoption.done, adoption.total) == (State.FOUND, 1, 1)
    assert adoption.report is not None
    assert adoption.report["commit"] == place.remote.tip
    assert adoption.report["tenants"] == {"tenant1": 1}
    assert not place.is_adopted()
    fleet = place.confirm(adoption)
    adoption.refresh_from_db()
    assert (adoption.state, adoption.done, adoption.fleet) == (State.WANTED, 0, fleet)
    assert place.stage.queue.woken == [bell(adoption)] * 2
    assert not Cluster.objects.filter(fleet=fleet).exists()
    assert place.work(adoption).state == State.DONE
    assert (fleet.repository_url, fleet.layout) == (adoption.repository_url, "tenants")
    row = Cluster.objects.get(fleet=fleet)
    assert (row.name, row.tenant, row.addons_release) == ("spoke-a", "tenant1", "default")
    assert Event.objects.get(fleet=fleet).actor == place.administrator
    after = place.remote.tip, set(place.remote.commits), repositories.tip(place.stage.bare)
    assert (after, place.remote.pushes) == (before, 0)


def test_it_lets_administrators_only_ask_and_confirm(place: Place) -> None:
    for person in (place.stage.requester, place.stage.approver):
        with pytest.raises(Refused, match="Only an administrator") as refused:
            place.ask(actor=person)
        assert refused.value.refusals[0].code == "not_allowed"
    assert not Adoption.objects.exists()
    assert not place.stage.queue.woken
    adoption = place.work(place.ask())
    with pytest.raises(Refused):
        place.confirm(adoption, actor=place.stage.approver)
    adoption.refresh_from_db()
    assert adoption.state == State.FOUND, "the administrator may still confirm it"
    assert not place.is_adopted()


def test_it_confirms_once_and_says_why_not_twice(place: Place) -> None:
    adoption = place.ask()
    with pytest.raises(Refused, match="not waiting to be adopted"):
        place.confirm(adoption)
    assert not place.is_adopted()
    place.confirm(place.work(adoption))
    with pytest.raises(Refused, match="There is a fleet found by now") as refused:
        place.confirm(adoption)
    assert refused.value.refusals[0].code == "taken"
    Fleet.objects.filter(name="found").update(name="renamed")
    with pytest.raises(Refused, match="not waiting to be adopted"):
        place.confirm(adoption)
    assert Fleet.objects.count() == 2
    assert len(place.stage.queue.woken) == 2


@pytest.mark.parametrize(
    ("files", "words"),
    [(None, "no commit yet"), ({"README.md": "# Else\n"}, "is not a fleet")],
)
def test_it_keeps_in_words_why_a_repository_cannot_be_adopted(
    place: Place, files: dict[str, str] | None, words: str
) -> None:
    place.remote = MemoryRemote(files)
    adoption = place.work(place.ask())
    assert adoption.state == State.REFUSED
    assert words in adoption.problem
    assert adoption.report is None
    with pytest.raises(Refused, match="not waiting to be adopted"):
        place.confirm(adoption)
    assert not place.is_adopted()


def test_it_looks_again_by_itself_at_a_repository_that_was_away_for_a_moment(place: Place) -> None:
    adoption = place.ask()
    place.remote.away = True
    assert place.work(adoption).state == State.ASKED
    assert "cannot be reached" in adoption.problem
    assert adoption.tries == 1
    assert place.work(adoption).tries == 1, "not before its time"
    place.stage.queue.woken.clear()
    adopting.sweep(queue=place.stage.queue, clock=place.stage.clock)
    assert place.stage.queue.woken == []
    place.stage.clock.advance(2)
    adopting.sweep(queue=place.stage.queue, clock=place.stage.clock)
    assert place.stage.queue.woken == [bell(adoption)]
    place.remote.away = False
    assert place.work(adoption).state == State.FOUND
    assert (adoption.problem, adoption.tries, adoption.due_at) == ("", 0, None)


def test_it_indexes_by_itself_where_the_repository_went_away_before(place: Place) -> None:
    adoption = place.work(place.ask())
    fleet = place.confirm(adoption)
    place.remote.away = True
    place.work(adoption)
    assert (adoption.state, adoption.fleet) == (State.WANTED, fleet)
    assert "cannot be reached" in adoption.problem
    assert not Cluster.objects.filter(fleet=fleet).exists()
    place.remote.away = False
    place.stage.clock.advance(60)
    assert place.work(adoption).state == State.DONE
    assert Cluster.objects.filter(fleet=fleet).exists()


def test_it_gives_up_in_words_where_a_repository_stays_away(place: Place) -> None:
    adoption = place.ask()
    place.remote.away = True
    begun = place.stage.clock.now()
    while place.work(adoption).state == State.ASKED:
        place.stage.clock.advance(60)
    assert (adoption.state, adoption.tries) == (State.REFUSED, adopting.MOST_TRIES)
    assert "cannot be reached" in adoption.problem
    assert len(place.visited) == adopting.MOST_TRIES
    assert place.stage.clock.now() - begun == timedelta(minutes=adopting.MOST_TRIES - 1)


def test_it_indexes_what_is_there_when_it_is_confirmed_not_when_it_was_looked_at(
    place: Place,
) -> None:
    adoption = place.work(place.ask())
    later = MEMBER.replace("spoke-a", "spoke-b")
    place.remote.commit({f"{MEMBERS}/hub-1/spoke-b.yaml": later})
    fleet = place.confirm(adoption)
    place.work(adoption)
    assert (adoption.done, adoption.total) == (2, 2)
    names = Cluster.objects.filter(fleet=fleet).values_list("name", flat=True)
    assert set(names) == {"spoke-a", "spoke-b"}


def test_it_leaves_to_a_worker_what_it_has_until_it_is_silent(place: Place) -> None:
    adoption = place.ask()
    Adoption.objects.update(state=State.LOOKING)
    place.stage.queue.woken.clear()
    place.stage.clock.advance(120)
    adopting.sweep(queue=place.stage.queue, clock=place.stage.clock)
    assert place.work(adoption).state == State.LOOKING
    assert (place.visited, place.stage.queue.woken) == ([], [])
    place.stage.clock.advance(1)
    adopting.sweep(queue=place.stage.queue, clock=place.stage.clock)
    assert place.stage.queue.woken == [bell(adoption)]
    assert place.work(adoption).state == State.FOUND
    assert place.visited == [adoption.repository_url]
    place.stage.clock.advance(1000)
    adopting.sweep(queue=place.stage.queue, clock=place.stage.clock)
    assert len(place.stage.queue.woken) == 1, "what was found waits for the person"


def test_it_shows_progress_as_a_sign_of_life_while_it_looks(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    adoption = place.ask()
    seen: list[tuple[str, int, int, bool]] = []

    def slowly(**options: Any) -> Any:
        place.stage.clock.advance(60)
        options["progress"](200, 451)
        row = Adoption.objects.get(pk=adoption.pk)
        seen.append((row.state, row.done, row.total, row.seen_at == place.stage.clock.now()))
        return survey(**options)

    monkeypatch.setattr("onboarding.services.adopting.survey", slowly)
    place.work(adoption)
    assert seen == [(State.LOOKING, 200, 451, True)]
