"""Broken fleet repositories: overlays on the shipped one, each with the findings that it deserves.

`tests/data/lint/NN-name/` holds the files that differ, `expected.txt` the findings, one a line, and
`layout.txt` the layout where it is not the first one. `00-sound` is a fleet without fault: one
cluster in every environment; all the others are laid over it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.journey.conftest import template_files

DATA = Path(__file__).parent / "data" / "lint"
_NOTES = {"expected.txt", "layout.txt"}


@dataclass(frozen=True)
class Fault:
    """One planted fault: its files, the layout it is linted with, and what is to be found."""

    name: str
    overlay: Mapping[str, bytes]
    layout: str
    expected: list[str]

    def files(self) -> dict[str, bytes]:
        """The whole repository."""
        return fleet_with(self.overlay, self.layout)


@cache
def template(layout: str) -> Mapping[str, bytes]:
    """The shipped repository in the folders of a layout."""
    return template_files(layout)


def fleet_with(overlay: Mapping[str, bytes], layout: str) -> dict[str, bytes]:
    """The sound fleet in a layout, with some files changed."""
    return {**template(layout), **SOUND, **overlay}


def _overlay(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in _NOTES
    }


def _fault(folder: Path) -> Fault:
    layout = folder / "layout.txt"
    return Fault(
        name=folder.name,
        overlay=_overlay(folder),
        layout=layout.read_text().strip() if layout.exists() else "tenants",
        expected=(folder / "expected.txt").read_text().splitlines(),
    )


SOUND = _overlay(DATA / "00-sound")
FAULTS = [_fault(folder) for folder in sorted(DATA.iterdir()) if folder.name != "00-sound"]
