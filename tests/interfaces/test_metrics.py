"""/metrics: true figures for whoever has the token, nothing for anybody else."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from onboarding import wiring
from onboarding.models import Delivery, Heartbeat
from tests.stage import Stage

pytestmark = pytest.mark.django_db
TOKEN = {"Authorization": "Bearer a-token"}


def test_it_counts_what_waits_and_since_when(tmp_path: Path, settings, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    settings.METRICS_TOKEN = "a-token"
    stage = Stage(tmp_path)
    monkeypatch.setattr(wiring, "clock", lambda: stage.clock)
    stage.approved("spoke-a")
    stage.deliver()
    stage.approved("spoke-b")
    Delivery.objects.filter(state="queued").update(alarm="policy")
    Heartbeat.objects.create(part="sweep", at=stage.clock.now() - timedelta(seconds=7))
    stage.clock.advance(90)

    shown = Client().get("/metrics", headers=TOKEN).content.decode()

    for line in (
        'fleetui_deliveries{fleet="fleet-a",state="committed"} 1.0',
        'fleetui_deliveries{fleet="fleet-a",state="queued"} 1.0',
        'fleetui_delivery_alarms{alarm="policy",fleet="fleet-a"} 1.0',
        'fleetui_delivery_oldest_seconds{fleet="fleet-a"} 90.0',
        'fleetui_delivery_attempts_total{outcome="committed"} 1.0',
        'fleetui_loop_age_seconds{part="sweep"} 97.0',
        'fleetui_writer_active{fleet="fleet-a"} 0.0',
    ):
        assert line in shown.splitlines() or line in _any_order(shown), line
    assert "spoke" not in shown


def _any_order(shown: str) -> set[str]:
    """The same lines with their labels sorted."""
    lines = set()
    for line in shown.splitlines():
        name, brace, rest = line.partition("{")
        labels, _, value = rest.partition("}")
        lines.add(f"{name}{{{','.join(sorted(labels.split(',')))}}}{value}" if brace else line)
    return lines


@pytest.mark.parametrize(
    "given", [{}, {"Authorization": "Bearer another"}, {"Authorization": "a-token "}]
)
def test_it_is_not_there_without_the_token(settings, given) -> None:  # type: ignore[no-untyped-def]
    settings.METRICS_TOKEN = "a-token"
    assert Client().get("/metrics", headers=given).status_code == 404


def test_it_is_not_there_unless_configured(settings) -> None:  # type: ignore[no-untyped-def]
    settings.METRICS_TOKEN = ""
    assert Client().get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
