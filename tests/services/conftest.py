"""What many tests of services begin with: a fleet with its remote and people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.stage import Stage


@pytest.fixture
def stage(db: None, tmp_path: Path) -> Stage:
    """A fleet with its remote, people and a worker."""
    return Stage(tmp_path)
