"""What people see of delivery by pull request: the fleet's form, its test, the panel and the alarm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.reviews import CheckFacts, CheckState, PullRequestState
from onboarding.models import Fleet
from tests import repositories
from tests.journey.reading import words
from tests.services.test_reviews import ReviewStage
from tests.stage import member

FORM = {
    "name": "fleet-b",
    "repository_url": "https://git.example.com/team/fleet.git",
    "branch": "main",
    "layout": "tenants",
    "delivery_mode": "pull_request",
}


@pytest.fixture
def stage(db: None, tmp_path: Path) -> ReviewStage:
    return ReviewStage(tmp_path)


@pytest.fixture
def ada(stage: ReviewStage) -> Client:
    return signed_in(stage.person("ada", "administrator"))


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_it_asks_for_the_forge_where_changes_go_by_pull_request(ada: Client) -> None:
    answer = ada.post(reverse("fleet-add"), FORM)
    assert answer.status_code == 422
    assert "Choose the forge on which pull requests are opened." in words(answer)
    assert not Fleet.objects.filter(name="fleet-b").exists()

    answer = ada.post(reverse("fleet-add"), {**FORM, "forge": "gitea", "forge_url": "http://git"})
    assert answer.status_code == 422, "the token would travel in the clear"

    more = {"forge": "gitea", "forge_token_file": "/run/secrets/forge"}
    assert ada.post(reverse("fleet-add"), {**FORM, **more}).status_code == 302
    fleet = Fleet.objects.get(name="fleet-b")
    assert (fleet.delivery_mode, fleet.forge) == ("pull_request", "gitea")
    assert fleet.forge_token_file == "/run/secrets/forge"
    assert "Pull requests on Gitea" in words(ada.get(reverse("fleet-list")))


class Checking:
    """A forge that answers a connection test only."""

    def __init__(self, said: str | FleetError) -> None:
        self.said = said

    def check(self) -> str:
        if isinstance(self.said, FleetError):
            raise self.said
        return self.said


@pytest.mark.parametrize(
    "said",
    [
        "Reached team/fleet on Gitea; the account may open pull requests into main.",
        Refused("https://forge answered 401 when asked to read the project. Put a current token"),
        Refused("https://forge shows team/fleet, but the token's account may not write to it"),
        Transient("https://forge cannot be reached to read the project (ConnectTimeout)."),
    ],
    ids=["works", "token-refused", "may-not-write", "away"],
)
def test_it_tests_the_forge_beside_the_repository(
    ada: Client, stage: ReviewStage, monkeypatch: pytest.MonkeyPatch, said: str | FleetError
) -> None:
    monkeypatch.setattr(wiring, "repository", lambda fleet: stage.repository)
    monkeypatch.setattr(wiring, "forge", lambda fleet: Checking(said))
    page = words(ada.post(reverse("fleet-test", args=[stage.fleet.name])))
    assert "Git" in page
    assert f"Reached it at {repositories.tip(stage.bare)[:10]}." in page
    assert str(said) in page


def page_of(stage: ReviewStage, number: int) -> str:
    client = signed_in(stage.requester)
    return words(client.get(reverse("change-detail", args=[number]) + "?tab=delivery"))


def test_it_shows_the_pull_request_and_what_it_waits_for(stage: ReviewStage) -> None:
    change, request = stage.in_review()
    stage.forge.others = (
        CheckFacts("ci/build", CheckState.FAILED, "https://ci.example.com/1"),
        CheckFacts("ci/scan", CheckState.PASSED, "javascript:alert(1)"),
    )
    stage.look()
    answer = signed_in(stage.requester).get(
        reverse("change-detail", args=[change.pk]) + "?tab=delivery"
    )
    html, page = answer.content.decode(), words(answer)
    for shown in ("Pull request", "#1", "Open", request.branch, "fleet-ui/plan", "ci/build"):
        assert shown in page
    assert 'href="https://forge/1"' in html
    assert 'href="https://ci.example.com/1"' in html
    assert "javascript:" not in html, (
        "an address that a forge told is followed only where it is one"
    )


def other_content(stage: ReviewStage, branch: str) -> str:
    return repositories.commit(
        stage.bare, {member("spoke-a"): 'clusterName: "another"\n'}, branch=branch
    )


def closed(stage: ReviewStage, branch: str) -> None:
    stage.forge.end(1, PullRequestState.CLOSED)


def merged_differently(stage: ReviewStage, branch: str) -> None:
    other_content(stage, branch)
    stage.forge.merge(1)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (closed, "Pull request 1 was closed on the forge by maria"),
        (merged_differently, "was merged by maria with other content than was approved"),
        (other_content, "take the other commits off it"),
    ],
)
def test_it_says_what_became_of_the_pull_request(
    stage: ReviewStage, act: Callable[[ReviewStage, str], object], said: str
) -> None:
    change, request = stage.in_review()
    act(stage, request.branch)
    stage.look()
    assert said in page_of(stage, change.pk)


def test_it_alarms_everywhere_where_something_else_was_merged(
    stage: ReviewStage, ada: Client
) -> None:
    change, request = stage.in_review()
    pages = [reverse("overview"), reverse("system")]
    for page in pages:
        assert "Merged differently" not in words(ada.get(page))
    merged_differently(stage, request.branch)
    stage.look()
    for page in [*pages, reverse("change-detail", args=[change.pk])]:
        assert "Merged differently" in words(ada.get(page)), page
