"""A short random run with a fixed seed; `./fleet bench nemesis` is the long one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from celery import Celery

from onboarding.adapters.celery_queue import CeleryQueue
from tests.engines import redis_server
from tests.faults.installation import Installation
from tests.faults.nemesis import SETTLED_SECONDS, Nemesis
from tests.faults.processes import Site

SEED = 7
SECONDS = 60.0


@pytest.mark.services
@pytest.mark.skipif("TEST_DATABASE_URL" not in os.environ, reason="needs real engines")
def test_it_holds_its_promises_whatever_fails(site: Site, tmp_path: Path) -> None:
    with redis_server() as broker:
        site.queue = CeleryQueue(Celery("tests", broker=broker.url))  # type: ignore[assignment]
        installation = Installation(tmp_path, broker.url)
        try:
            outcome = Nemesis(site, installation, broker, seed=SEED, say=print).run(SECONDS)
            assert outcome.problems == [], installation.said()
        finally:
            installation.end()
    assert outcome.settled_after <= SETTLED_SECONDS
    assert outcome.states["approved, committed"] > 0, (
        "a run in which nothing was written says little"
    )
