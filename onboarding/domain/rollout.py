"""A channel rollout in waves: facts in, the next step out. No wave begins before the gate before it has passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding.domain.progress import ClusterState


class RowState(StrEnum):
    """Where the move of one cluster stands, from decision to Git.

    HELD is approved and waits for its wave, OPEN needs an approval (again), ON_ITS_WAY is released,
    FAILED did not come to Git and needs somebody, DROPPED will not be made.
    """

    HELD = "held"
    OPEN = "open"
    ON_ITS_WAY = "on_its_way"
    FAILED = "failed"
    IN_GIT = "in_git"
    DROPPED = "dropped"


class Health(StrEnum):
    """What the gate makes of a cluster's state: only WELL counts, BAD stops the rollout at once."""

    WELL = "well"
    MOVING = "moving"
    BAD = "bad"


_BAD = frozenset(
    {
        ClusterState.DEGRADED,
        ClusterState.FAILED,
        ClusterState.UNREACHABLE,
        ClusterState.STALE,
        ClusterState.PAUSED,
        ClusterState.LEAVING,
        ClusterState.GONE,
    }
)


def health_of(state: ClusterState) -> Health:
    """Read a cluster's state: silence and age are as bad as a failure, the rest is under way."""
    if state is ClusterState.HEALTHY:
        return Health.WELL
    return Health.BAD if state in _BAD else Health.MOVING


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What was seen of one cluster of a wave.

    `key` tells it from others of its name, `says` explains its decision or delivery, `health_says`
    its state. `followed`: the hub does what the plan foresaw; `differs` is what it does otherwise.
    `seen_at` is when its hub was last heard, `well_since` from when it has been well without a break.
    `excused`: somebody went on although it was not well, so it is not asked about any more.
    """

    name: str
    state: RowState
    key: int = 0
    says: str = ""
    committed_at: datetime | None = None
    health: Health = Health.MOVING
    health_says: str = ""
    followed: bool = False
    differs: str = ""
    seen_at: datetime | None = None
    well_since: datetime | None = None
    excused: bool = False

    @property
    def counts(self) -> bool:
        """Whether the gate asks about it."""
        return not self.excused and self.state is not RowState.DROPPED

    @property
    def is_well(self) -> bool:
        """Whether it is healthy with what was delivered, seen after it was delivered."""
        return (
            self.state is RowState.IN_GIT
            and self.health is Health.WELL
            and self.followed
            and self.committed_at is not None
            and self.seen_at is not None
            and self.seen_at > self.committed_at
        )


@dataclass(frozen=True, slots=True)
class WaveFacts:
    """One wave: its clusters, how long they have to stay well, and how far it is."""

    number: int
    name: str
    soak: timedelta
    rows: tuple[RowFacts, ...]
    released_at: datetime | None = None
    passed: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Trouble:
    """One cluster because of which a rollout stops, and why."""

    name: str
    why: str
    key: int = 0

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class Move(StrEnum):
    """What a rollout does next."""

    RELEASE = "release"
    WAIT = "wait"
    PAUSE = "pause"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Next:
    """The next step of a rollout: a wave to release, a reason to wait or to pause, or the end.

    `passed` are the waves whose gates are open now, `troubles` the clusters that stop it.
    """

    move: Move
    says: str = ""
    wave: int | None = None
    passed: tuple[int, ...] = ()
    troubles: tuple[Trouble, ...] = ()


def next_step(
    waves: tuple[WaveFacts, ...], *, patience: timedelta, now: datetime, leads_back: bool = False
) -> Next:
    """What a running rollout does next. `patience` is how long a cluster may take to become well.

    A trouble anywhere in what was released stops it, also in a wave whose gate has passed. A gate
    passes when all its clusters were well for the whole soak, and their hubs were heard after it:
    time in which nobody looked counts for nothing. One that `leads_back` begins although clusters are
    not well, for that is why somebody goes back, and gives them all of the patience.
    """
    troubles = tuple(_troubles(waves, patience, now, leads_back=leads_back))
    passed = tuple(wave.number for wave in waves if _has_passed(wave))
    if troubles:
        return Next(Move.PAUSE, _named(troubles), troubles=troubles, passed=passed)
    for wave in waves:
        if wave.skipped or wave.number in passed:
            continue
        if wave.released_at is not None:
            return Next(Move.WAIT, _gate(wave), passed=passed)
        return _before(wave, passed, leads_back=leads_back)
    return Next(Move.FINISH, "Every wave has passed its gate.", passed=passed)


def _before(wave: WaveFacts, passed: tuple[int, ...], *, leads_back: bool) -> Next:
    """What a wave needs before it is released: approval of each row, and clusters that are not ill."""
    rows = [row for row in wave.rows if row.counts]
    ill = tuple(
        Trouble(
            row.name, f"it is not well before its wave begins. {row.health_says}".strip(), row.key
        )
        for row in rows
        if row.health is Health.BAD and not leads_back
    )
    if ill:
        return Next(Move.PAUSE, _named(ill), troubles=ill, passed=passed)
    if waiting := [row for row in rows if row.state is RowState.OPEN]:
        names = _some([row.name for row in waiting])
        said = f"{wave.name} waits for approval of {names}: what they would do has changed."
        return Next(Move.WAIT, said, passed=passed)
    return Next(Move.RELEASE, f"{wave.name} begins.", wave=wave.number, passed=passed)


def _troubles(
    waves: tuple[WaveFacts, ...], patience: timedelta, now: datetime, *, leads_back: bool
) -> Iterator[Trouble]:
    for wave in waves:
        if wave.released_at is None or wave.skipped:
            continue
        for row in wave.rows:
            began = wave.released_at
            if row.counts and (why := _trouble(row, began, patience, now, leads_back=leads_back)):
                yield Trouble(row.name, why, row.key)


def _trouble(
    row: RowFacts, released_at: datetime, patience: timedelta, now: datetime, *, leads_back: bool
) -> str:
    match row.state:
        case RowState.FAILED:
            return f"its change did not come to Git. {row.says}".strip()
        case RowState.OPEN:
            return f"its change needs an approval again. {row.says}".strip()
        case RowState.IN_GIT if row.health is Health.BAD and not leads_back:
            return row.health_says or "it is not well."
        case RowState.IN_GIT if row.differs:
            return f"the hub did something else than was foreseen. {row.differs}"
        case RowState.IN_GIT if row.is_well:
            return ""
    began = row.committed_at or released_at
    if now - began <= patience:
        return ""
    minutes = round(patience.total_seconds() / 60)
    where = "well" if row.state is RowState.IN_GIT else "in Git"
    return f"not {where} {minutes} minutes after it was released. {row.health_says or row.says}".strip()


def _has_passed(wave: WaveFacts) -> bool:
    if wave.passed:
        return True
    if wave.released_at is None or wave.skipped:
        return False
    rows = [row for row in wave.rows if row.counts]
    if not all(row.is_well for row in rows):
        return False
    since = [row.well_since for row in rows]
    heard = [row.seen_at for row in rows]
    if any(one is None for one in (*since, *heard)):
        return False
    if not rows:
        return True
    last_well = max(one for one in since if one is not None)
    return min(one for one in heard if one is not None) - last_well >= wave.soak


def _gate(wave: WaveFacts) -> str:
    """What a released wave waits for."""
    rows = [row for row in wave.rows if row.counts]
    missing = [row.name for row in rows if not row.is_well]
    if missing:
        well = len(rows) - len(missing)
        return f"{wave.name}: {well} of {len(rows)} clusters are well; waits for {_some(missing)}."
    minutes = round(wave.soak.total_seconds() / 60)
    return (
        f"{wave.name}: {len(rows)} of {len(rows)} clusters are well and soak for {minutes} minutes."
    )


def _named(troubles: tuple[Trouble, ...]) -> str:
    some = " ".join(str(trouble) for trouble in troubles[:3])
    more = len(troubles) - 3
    return f"{some} And {more} more." if more > 0 else some


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
