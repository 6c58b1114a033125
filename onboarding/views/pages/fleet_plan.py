"""What a branch or commit would do to the fleet."""

from __future__ import annotations

from dataclasses import dataclass

from onboarding.views.pages.changes import MovedCluster
from onboarding.views.pages.common import Pagination


@dataclass(frozen=True, slots=True)
class FleetPlanPage:
    """The page; `left_out` counts the clusters for which there was no time."""

    rev: str = ""
    summary: str = ""
    base: str = ""
    basis: str = ""
    clusters: tuple[MovedCluster, ...] = ()
    pages: Pagination | None = None
    files: tuple[str, ...] = ()
    more_files: int = 0
    unforeseen: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    disappearing: int = 0
    left_out: int = 0
    problem: str = ""

    @property
    def is_told(self) -> bool:
        return bool(self.summary)
