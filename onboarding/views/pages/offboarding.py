"""The page on which a cluster leaves the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from onboarding.views.pages.changes import LeavingPlan, MoveNote, Plan
from onboarding.views.pages.clusters import TimelineStep
from onboarding.views.pages.common import Link


@dataclass(frozen=True, slots=True)
class WorkloadChoice:
    """What shall become of the workloads: kept or removed, in words."""

    title: str
    text: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class LeavingRun:
    """An offboarding under way or ended. A URL that is "" is a verb that this person does not have now."""

    change: Link
    steps: tuple[TimelineStep, ...]
    note: str = ""
    given_up: str = ""
    is_open: bool = True
    is_paused: bool = False
    is_unreachable: bool = False
    pause_url: str = ""
    resume_url: str = ""
    stop_url: str = ""
    give_up_url: str = ""
    give_up_denied: str = ""


@dataclass(frozen=True, slots=True)
class MovePage:
    """The page of a cluster that shall move, moves or has moved to another hub."""

    name: str
    hub: str
    crumbs: tuple[Link, ...] = ()
    choices: tuple[WorkloadChoice, ...] = ()
    chosen: str = ""
    leave: LeavingPlan | None = None
    join: Plan | None = None
    ask_url: str = ""
    move: MoveNote | None = None
    denied: str = ""
    problem: str = ""
    refresh_url: str = ""


@dataclass(frozen=True, slots=True)
class OffboardPage:
    """Asks whether workloads stay, names all that goes away, and follows the run."""

    name: str
    hub: str
    crumbs: tuple[Link, ...]
    state: str
    sentence: str
    choices: tuple[WorkloadChoice, ...] = ()
    workloads: str = ""
    plan: LeavingPlan | None = None
    demand: str = ""
    problem: str = ""
    ask_url: str = ""
    denied: str = ""
    run: LeavingRun | None = None
    as_of: datetime | None = None
    refresh_url: str = ""
