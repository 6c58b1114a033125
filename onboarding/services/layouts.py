"""The path layout of a fleet."""

from __future__ import annotations

from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yamlread import MalformedYaml, load
from onboarding.models import Fleet


def layout_of(fleet: Fleet) -> FleetLayout:
    """The path layout of a fleet: a built-in profile, or its own by configuration."""
    if fleet.layout_data:
        return FleetLayout.from_data(fleet.layout_data)
    return LAYOUTS[fleet.layout]


def layout_in(snapshot: Snapshot) -> FleetLayout:
    """The built-in layout whose layers a repository's own `layout.yaml` lists; else the first one."""
    for path in snapshot.paths():
        if path.endswith("/bootstrap/layout.yaml") and (file := snapshot.read(path)):
            try:
                said = load(file.content, path=path)
            except MalformedYaml:  # lint itself says so
                continue
            listed = said.get("layout") if isinstance(said, dict) else None
            for layout in LAYOUTS.values():
                layers = [layer.pattern for layer in layout.layers]
                if isinstance(listed, dict) and listed.get("valueFiles") == layers:
                    return layout
    return next(iter(LAYOUTS.values()))
