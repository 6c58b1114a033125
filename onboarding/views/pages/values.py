"""Effective values: of one cluster, side by side, and searched across the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from onboarding.views.pages.common import Hidden, Link, Origin, Pagination


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A value that a higher layer covers."""

    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ValueRow:
    """One effective value of a component. `note` says what is particular about it."""

    key: str
    value: str
    origin: Origin
    shadowed: tuple[Shadowed, ...] = ()
    note: str = ""
    search_url: str = ""


@dataclass(frozen=True, slots=True)
class ComponentOption:
    """One component in the picker; its group heads a part of the list."""

    name: str
    group: str
    is_on: bool
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class Picker:
    """Which component is looked at: a form that asks for another one. `keep` goes along."""

    options: tuple[ComponentOption, ...]
    keep: tuple[Hidden, ...] = ()

    @property
    def chosen(self) -> ComponentOption | None:
        return next((option for option in self.options if option.is_chosen), None)


@dataclass(frozen=True, slots=True)
class ValuesFile:
    """A values file that Argo CD looks for; most layers have none."""

    layer: str
    path: str
    exists: bool


@dataclass(frozen=True, slots=True)
class ValuesPart:
    """The values of one component on one cluster. `problem`: they cannot be told, and why."""

    picker: Picker
    rows: tuple[ValueRow, ...] = ()
    removed: tuple[ValueRow, ...] = ()
    files: tuple[ValuesFile, ...] = ()
    source: str = ""
    note: str = ""
    problem: str = ""
    compare_url: str = ""


@dataclass(frozen=True, slots=True)
class Side:
    """One value on one side, and what set it."""

    value: str
    origin: Origin


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """One key on both sides; None: the side does not have it."""

    key: str
    left: Side | None
    right: Side | None

    @property
    def word(self) -> Literal["same", "added", "removed", "changed"]:
        if self.left is None:
            return "added"
        if self.right is None:
            return "removed"
        return "same" if self.left.value == self.right.value else "changed"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The values of one component on two sides. `same` counts the rows that are equal.

    `all_url` shows them too; "" where they are shown, or where there are none.
    """

    picker: Picker
    left_title: str
    right_title: str
    rows: tuple[ComparedRow, ...] = ()
    same: int = 0
    all_url: str = ""
    note: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class ComparePage:
    """Two clusters side by side; `clusters` are the names to choose from."""

    left: str
    right: str
    clusters: tuple[str, ...]
    comparison: Comparison | None = None
    errors: tuple[str, ...] = ()
    crumbs: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One place that sets the key: for how many clusters it is meant, and for how many it decides."""

    key: str
    value: str
    component: str
    origin: Origin
    scope: str
    reach: int
    decides: int
    covered_by: tuple[Origin, ...] = ()


@dataclass(frozen=True, slots=True)
class ValueSearchPage:
    """Who sets a key across the fleet. `looked` says how far it was searched."""

    query: str
    rows: tuple[SettingRow, ...] = ()
    pages: Pagination | None = None
    looked: str = ""
    is_complete: bool = True
    problems: tuple[str, ...] = ()
