"""Adopting an existing repository: ask, look, decide, index. Nothing is ever written to Git."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q

from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.models import Adoption, Fleet
from onboarding.ports import Clock, FleetRepository, WorkQueue
from onboarding.services import configuration, indexing
from onboarding.services.indexing import Progress
from onboarding.services.rights import require_administrator
from onboarding.services.surveying import Survey, survey

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Visit = Callable[[Fleet], AbstractContextManager[FleetRepository]]
"""A fleet that is not saved -> its repository, for as long as it is looked at."""

TASK = "onboarding.adopt"
_CONNECTION = ("repository_url", "branch", "username", "credential_file", "known_hosts_file")
_SILENT = timedelta(minutes=2)
_State = Adoption.State
_WORK = {_State.ASKED: _State.LOOKING, _State.WANTED: _State.INDEXING}
_WAITING = {doing: waits for waits, doing in _WORK.items()}
MOST_TRIES = 8
"""How often a repository that does not answer is asked; about three minutes."""

_LONGEST_WAIT = 60.0
_NO_PROBLEM: Mapping[str, Any] = {"problem": "", "tries": 0, "due_at": None}


def ask(*, values: Mapping[str, Any], actor: User, clock: Clock, queue: WorkQueue) -> Adoption:
    """Ask for a repository to be looked at. Raises `Refused` for who is not an administrator."""
    require_administrator(actor)
    now = clock.now()
    adoption = Adoption.objects.create(actor=actor, created_at=now, seen_at=now, **values)
    queue.wake(TASK, adoption_id=adoption.pk)
    return adoption


def confirm(*, adoption: Adoption, actor: User, clock: Clock, queue: WorkQueue) -> Fleet:
    """Adopt what was found: configure the fleet, and have its members indexed.

    Raises `Refused` for who is not an administrator, where nothing was found yet, it was adopted
    before, or the name is taken.
    """
    require_administrator(actor)
    with transaction.atomic():
        if Fleet.objects.filter(name=adoption.name).exists():
            raise Refused(
                f"There is a fleet {adoption.name} by now. Look again under another name.",
                code="taken",
            )
        moved = Adoption.objects.filter(pk=adoption.pk, state=_State.FOUND).update(
            state=_State.WANTED, seen_at=clock.now(), done=0, total=0
        )
        if not moved:
            raise Refused("This repository is not waiting to be adopted.", code="not_found_yet")
        found = Survey.from_data(adoption.report or {})
        connection = {key: getattr(adoption, key) for key in _CONNECTION}
        fleet = adopt(
            name=adoption.name, connection=connection, found=found, actor=actor, clock=clock
        )
        Adoption.objects.filter(pk=adoption.pk).update(fleet=fleet)
    queue.wake(TASK, adoption_id=adoption.pk)
    return fleet


def adopt(
    *,
    name: str,
    connection: Mapping[str, str],
    found: Survey,
    actor: User | None,
    clock: Clock,
) -> Fleet:
    """Configure the fleet that a survey found; `actor` None is a command on the server."""
    values = {
        **connection,
        "name": name,
        "layout": found.layout["name"],
        "layout_data": None if found.is_built_in else dict(found.layout),
    }
    return configuration.save_fleet(values=values, actor=actor, clock=clock)


def work(
    *,
    adoption_id: int,
    visit: Visit,
    repository: Callable[[Fleet], FleetRepository],
    clock: Clock,
) -> None:
    """Do what waits for one adoption: look, or index. Whoever comes second finds nothing to do."""
    adoption = _claim(adoption_id, clock)
    if adoption is None:
        return
    try:
        if adoption.state == _State.LOOKING:
            _look(adoption, visit, clock)
        elif adoption.fleet is not None:
            _index(adoption, adoption.fleet, repository, clock)
    except Transient as error:
        _try_later(adoption, error, clock)
    except FleetError as error:
        _settle(adoption, clock, state=_State.REFUSED, problem=str(error))


def sweep(*, queue: WorkQueue, clock: Clock) -> None:
    """Wake a worker for what waits, and for what a worker left without a sign of life."""
    for pk in Adoption.objects.filter(_due(clock)).values_list("pk", flat=True):
        queue.wake(TASK, adoption_id=pk)


def layout_named(name: str, data: Mapping[str, Any] | None) -> FleetLayout | None:
    """The layout that somebody chose: a built-in one, their own, or None to find it."""
    return FleetLayout.from_data(data) if data else LAYOUTS.get(name)


def _due(clock: Clock) -> Q:
    now = clock.now()
    waits = Q(due_at__isnull=True) | Q(due_at__lte=now)
    return Q(waits, state__in=_WORK) | Q(state__in=_WAITING, seen_at__lt=now - _SILENT)


def _claim(adoption_id: int, clock: Clock) -> Adoption | None:
    adoption = Adoption.objects.select_related("fleet").filter(_due(clock), pk=adoption_id).first()
    if adoption is None:
        return None
    before = _State(adoption.state)
    now = clock.now()
    mine = Adoption.objects.filter(pk=adoption.pk, state=before, seen_at=adoption.seen_at).update(
        state=_WORK.get(before, before), seen_at=now
    )
    adoption.state, adoption.seen_at = _WORK.get(before, before), now
    return adoption if mine else None


def _look(adoption: Adoption, visit: Visit, clock: Clock) -> None:
    fleet = Fleet(**{key: getattr(adoption, key) for key in _CONNECTION})
    with visit(fleet) as repository:
        found = survey(
            repository=repository,
            layout=layout_named(adoption.layout, adoption.layout_data),
            progress=_progress(adoption, clock),
        )
    _settle(adoption, clock, state=_State.FOUND, report=found.to_data(), **_NO_PROBLEM)


def _index(
    adoption: Adoption, fleet: Fleet, repository: Callable[[Fleet], FleetRepository], clock: Clock
) -> None:
    there = repository(fleet)
    there.fetch()
    indexing.index(fleet=fleet, repository=there, clock=clock, progress=_progress(adoption, clock))
    _settle(adoption, clock, state=_State.DONE, **_NO_PROBLEM)


def _try_later(adoption: Adoption, error: Transient, clock: Clock) -> None:
    """Let it wait for a repository that does not answer, saying why; at last give it up."""
    tries = adoption.tries + 1
    if tries >= MOST_TRIES:
        _settle(adoption, clock, state=_State.REFUSED, problem=str(error), tries=tries)
        return
    seconds = max(error.retry_after or 0, min(_LONGEST_WAIT, 2.0**tries))
    _settle(
        adoption,
        clock,
        state=_WAITING[_State(adoption.state)],
        problem=str(error),
        tries=tries,
        due_at=clock.now() + timedelta(seconds=seconds),
    )


def _progress(adoption: Adoption, clock: Clock) -> Progress:
    def tell(done: int, total: int) -> None:
        Adoption.objects.filter(pk=adoption.pk, state=adoption.state).update(
            done=done, total=total, seen_at=clock.now()
        )

    return tell


def _settle(adoption: Adoption, clock: Clock, **changes: Any) -> None:
    Adoption.objects.filter(pk=adoption.pk, state=adoption.state).update(
        seen_at=clock.now(), **changes
    )
