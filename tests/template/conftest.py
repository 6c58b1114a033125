"""Fixtures: the fleet repository as it is shipped, and a copy of it that real helm renders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.repositories import TEMPLATE
from tests.template.helm import FleetCopy, Helm, HelmMissing, find_helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Real helm, or a skip that says how to have it."""
    try:
        return Helm(find_helm(), tmp_path_factory.mktemp("helm-home"))
    except HelmMissing as problem:
        pytest.skip(str(problem))


@pytest.fixture(scope="session")
def shipped(helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> FleetCopy:
    """The repository as it is shipped, ready to render; not to be changed."""
    fleet = FleetCopy(tmp_path_factory.mktemp("shipped") / "fleet", helm)
    shutil.copytree(TEMPLATE, fleet.folder, symlinks=True)
    return fleet


@pytest.fixture
def fleet(shipped: FleetCopy, tmp_path: Path) -> FleetCopy:
    """A copy for one test to change."""
    changed = FleetCopy(tmp_path / "fleet", shipped.helm)
    shutil.copytree(shipped.folder, changed.folder, symlinks=True)
    return changed
