"""The same request from several pipelines at the same moment, over HTTP: one change, one answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from onboarding import wiring
from onboarding.domain.tokens import Verb
from onboarding.models import Change, Event
from onboarding.services import service_tokens
from tests.fakes import FakeClock
from tests.services.test_races import at_once
from tests.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)

ASKED = {
    "hub": "hub-a",
    "cluster": "spoke-a",
    "tenant": "team-a",
    "environment": "dev",
    "secret_name": "fleet/spoke-a",
    "pins": {"addonsRelease": "default"},
}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    found = Stage(tmp_path, FakeClock(datetime.now(UTC)))
    found.repository.real.fetch()
    found.secrets.add("fleet/spoke-a")
    monkeypatch.setattr(wiring, "current_repository", lambda fleet, max_age=3: found.repository)
    monkeypatch.setattr(wiring, "credentials", lambda hub: found.secrets)
    return found


def test_it_is_done_once_and_everybody_hears_the_same(stage: Stage) -> None:
    issued = service_tokens.issue(
        name="terraform",
        verbs=[Verb.REGISTER],
        fleets=[stage.fleet],
        days=1,
        actor=None,
        clock=stage.clock,
    )

    def post(asked: dict[str, Any]) -> Any:
        answer = Client().post(
            "/api/v1/registrations",
            json.dumps(asked),
            content_type="application/json",
            headers={"Authorization": f"Bearer {issued.text}", "Idempotency-Key": "one"},
        )
        return answer.status_code, answer.headers.get("Idempotent-Replayed"), answer.content

    same = [lambda: post(ASKED)] * 4
    other = [lambda: post(ASKED | {"cluster": "spoke-b"})] * 2
    found = at_once(*same, *other)
    change = Change.objects.get()
    made = [one for one in found if one[0] == 201]
    assert {json.loads(content)["number"] for _, _, content in made} == {change.pk}
    assert len({content for _, _, content in made}) == 1
    assert [replayed for _, replayed, _ in made].count("false") == 1
    # Which of the two bodies came first is open; the other one is told so, each time.
    assert len(made) == (4 if change.cluster_name == "spoke-a" else 2)
    refused = [json.loads(content) for status, _, content in found if status == 409]
    assert len(refused) + len(made) == 6
    assert {one["errors"][0]["code"] for one in refused} == {"key_reused"}
    assert Event.objects.filter(verb="change.submitted").count() == 1
