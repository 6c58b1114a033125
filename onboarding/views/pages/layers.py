"""The form of a shared layer."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.views.pages.changes import Notice, Plan
from onboarding.views.pages.common import Hidden, Link


@dataclass(frozen=True, slots=True)
class LayerOption:
    """One choice of a list."""

    key: str
    title: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One key of the form; `is_new`: the key itself is typed."""

    number: int
    key: str = ""
    value: str = ""
    types: tuple[LayerOption, ...] = ()
    was: str = ""
    is_removed: bool = False
    is_new: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class LayerPreview:
    """What the form as it stands would do. `waits_for`: why nothing is told yet."""

    plan: Plan | None = None
    refusals: tuple[Notice, ...] = ()
    waits_for: str = ""


@dataclass(frozen=True, slots=True)
class LayerPage:
    """The page: first which file (`layers` and `components` to choose of), then its keys."""

    title: str
    crumbs: tuple[Link, ...] = ()
    layers: tuple[LayerOption, ...] = ()
    components: tuple[LayerOption, ...] = ()
    tenant: str = ""
    path: str = ""
    whose: str = ""
    is_labels: bool = False
    exists: bool = False
    rows: tuple[LayerRow, ...] = ()
    others: int = 0
    known: tuple[str, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    preview: LayerPreview = LayerPreview()
    problem: str = ""
    errors: tuple[str, ...] = ()
    cancel_url: str = ""
