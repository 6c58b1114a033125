"""Delivery by pull request, against a forge kept in memory; a real one is in tests/hub."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from onboarding import wiring
from onboarding.domain import freezes
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.policy import Rule
from onboarding.domain.reviews import CheckFacts, CheckState, PullRequestFacts, PullRequestState
from onboarding.models import Change, Delivery, Fleet, PullRequest
from onboarding.services import configuration, policies, stopping, withdrawals
from onboarding.services.delivery import deliveries
from tests import repositories
from tests.fakes import FakeQueue
from tests.stage import COMMITTED, LAPSED, QUEUED, Stage, delivery_of, member, outcomes, state_of

IN_REVIEW = (DecisionState.APPROVED.value, DeliveryState.IN_REVIEW.value)
PUSHING = (DecisionState.APPROVED.value, DeliveryState.PUSHING.value)


class FakeForge:
    """A forge of one project: pull requests of the branches of a bare repository."""

    def __init__(self, bare: Path) -> None:
        self.bare = bare
        self.pulls: dict[int, PullRequestFacts] = {}
        self.branches: dict[str, int] = {}
        self.statuses: list[tuple[str, bool]] = []
        self.links: set[str] = set()
        self.texts: list[str] = []
        self.said: list[str] = []
        self.others: tuple[CheckFacts, ...] = ()
        self.failing: FleetError | None = None
        self.refused_branches: set[str] = set()

    def find(self, branch: str) -> PullRequestFacts | None:
        self._answer()
        number = self.branches.get(branch)
        return self.pulls[number] if number else None

    def open(self, branch: str, *, title: str, text: str) -> PullRequestFacts:
        self._answer()
        if branch in self.refused_branches:
            raise Refused("The forge does not like this branch.")
        assert branch not in self.branches, "a second pull request"
        self.texts.append(text)
        number = len(self.pulls) + 1
        self.branches[branch] = number
        head = repositories.tip(self.bare, branch)
        self.pulls[number] = PullRequestFacts(
            number, f"https://forge/{number}", PullRequestState.OPEN, head
        )
        return self.pulls[number]

    def look(self, number: int) -> PullRequestFacts:
        self._answer()
        return self.pulls[number]

    def close(self, number: int, *, why: str) -> None:
        self._answer()
        self.said.append(why)
        self.end(number, PullRequestState.CLOSED, by="fleet-ui")

    def checks(self, commit: str) -> tuple[CheckFacts, ...]:
        self._answer()
        return self.others

    def set_status(self, commit: str, *, passed: bool, text: str, url: str = "") -> None:
        self._answer()
        self.statuses.append((commit, passed))
        self.links.add(url)

    def check(self) -> str:
        return "Reached it."

    def end(
        self, number: int, state: PullRequestState, *, by: str = "maria", merged: str = ""
    ) -> None:
        self.pulls[number] = replace(self.pulls[number], state=state, by=by, merge_commit=merged)

    def merge(self, number: int) -> str:
        """Bring the branch to main as it is."""
        (branch,) = (name for name, found in self.branches.items() if found == number)
        head = repositories.tip(self.bare, branch)
        repositories.git(self.bare, "update-ref", "refs/heads/main", head)
        self.end(number, PullRequestState.MERGED, merged=head)
        return head

    def _answer(self) -> None:
        if self.failing:
            raise self.failing


class ReviewStage(Stage):
    """A fleet that delivers by pull request."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.fleet.delivery_mode, self.fleet.forge = Fleet.DeliveryMode.PULL_REQUEST, "gitea"
        self.fleet.save()
        self.forge = FakeForge(self.bare)

    def look(self, seconds: float = 61) -> deliveries.DeliveryReport:
        """Some time later, a worker looks."""
        self.clock.advance(seconds)
        return self.deliver(forge=lambda _: self.forge)

    def in_review(self, cluster: str = "spoke-a") -> tuple[Change, PullRequest]:
        change = self.approved(cluster)
        self.look(0)
        assert state_of(change) == IN_REVIEW, delivery_of(change).reason
        return change, PullRequest.objects.get(delivery__change=change)


@pytest.fixture
def stage(db: None, tmp_path: Path) -> ReviewStage:
    return ReviewStage(tmp_path)


def test_it_asks_for_each_change_by_itself(stage: ReviewStage) -> None:
    asked = [stage.approved("spoke-a"), stage.approved("spoke-b")]
    stage.look(0)
    assert [state_of(change) for change in asked] == [IN_REVIEW] * 2
    assert stage.commits() == [], "main is as it was"
    assert len(stage.forge.pulls) == 2
    assert [outcomes(change) for change in asked] == [["in_review"]] * 2
    assert stage.forge.statuses == [(pull.head_commit, True) for pull in stage.forge.pulls.values()]

    assert stage.look(1) == deliveries.DeliveryReport(), "it is not time to look again"
    stage.forge.merge(1)
    assert stage.look().committed == (asked[0].pk,)
    # The other one is on a main that moved; its plan is the same there.
    assert [state_of(change) for change in asked] == [COMMITTED, IN_REVIEW]
    assert len(stage.forge.statuses) == 2, "a status is set once"
    assert stage.forge.links == {""}, "no address is known under which people reach the page"


def test_it_links_to_the_page_of_the_change(stage: ReviewStage, settings: Settings) -> None:
    settings.PUBLIC_URL = "https://fleet.example.com"
    change = stage.approved("spoke-a")
    stage.deliver(forge=lambda _: stage.forge, page_of=wiring.page_of_change)
    page = f"https://fleet.example.com{reverse('change-detail', args=[change.pk])}"
    assert stage.forge.links == {page}
    assert f"- Plan and discussion: {page}\n" in stage.forge.texts[0]


def test_it_waits_for_a_forge_that_is_away(stage: ReviewStage) -> None:
    stage.forge.failing = Transient("The forge cannot be reached.")
    change = stage.approved("spoke-a")
    stage.look(0)
    assert state_of(change) == PUSHING, "the branch may be there, so nothing is taken back"
    assert delivery_of(change).reason == "The forge cannot be reached."
    with pytest.raises(Refused, match="being written"):
        withdrawals.withdraw(change_id=change.pk, actor=stage.requester, clock=stage.clock)
    stage.forge.failing = None
    stage.look()
    assert state_of(change) == IN_REVIEW
    assert len(stage.forge.pulls) == 1
    stage.forge.failing = Transient("Away again.")
    stage.look()
    assert state_of(change) == IN_REVIEW
    assert delivery_of(change).reason == "Away again."


def test_what_the_forge_refuses_for_one_holds_up_no_other(stage: ReviewStage) -> None:
    bad, good = stage.approved("spoke-a"), stage.approved("spoke-b")
    stage.forge.refused_branches.add(f"fleetui/{bad.uid}-{bad.plan_digest.rpartition(':')[2][:8]}")
    stage.look(0)
    assert [state_of(bad), state_of(good)] == [PUSHING, IN_REVIEW]
    assert delivery_of(bad).reason == "The forge does not like this branch."


def test_it_takes_no_branch_for_its_own_that_is_not(stage: ReviewStage) -> None:
    change = stage.approved("spoke-a")
    branch = f"fleetui/{change.uid}-{change.plan_digest.rpartition(':')[2][:8]}"
    repositories.commit(stage.bare, {"other.md": "x\n"}, branch=branch)
    stage.look(0)
    assert delivery_of(change).state == DeliveryState.FAILED.value
    assert f"Branch {branch} exists already" in delivery_of(change).reason
    assert stage.forge.pulls == {}
    assert outcomes(change) == ["foreign"]


def test_it_waits_until_the_branch_holds_what_the_forge_says(stage: ReviewStage) -> None:
    change, request = stage.in_review()
    head = request.head_commit
    stage.forge.end(1, PullRequestState.MERGED, merged=head)
    stage.look()
    assert state_of(change) == IN_REVIEW
    assert "does not hold" in delivery_of(change).reason
    stage.forge.merge(1)
    stage.look()
    assert state_of(change) == COMMITTED


def test_it_believes_a_merge_that_was_faster_than_the_lapse(stage: ReviewStage) -> None:
    change, _ = stage.in_review()
    stage.approver.grants.all().delete()  # the approval does not count any more
    close = stage.forge.close

    def merged_first(number: int, *, why: str) -> None:
        close(number, why=why)
        stage.forge.merge(number)

    stage.forge.close = merged_first  # type: ignore[method-assign]
    stage.look()
    assert state_of(change) == COMMITTED


def test_an_approval_that_is_void_closes_the_request(stage: ReviewStage) -> None:
    change, request = stage.in_review()
    stage.approver.grants.all().delete()
    assert stage.look().lapsed == (change.pk,)
    assert state_of(change) == LAPSED
    assert stage.forge.statuses[-1] == (request.head_commit, False)
    assert stage.forge.pulls[1].state is PullRequestState.CLOSED
    assert "The approval by arno does not count" in stage.forge.said[0]


def test_a_freeze_fails_the_check_until_it_ends(stage: ReviewStage) -> None:
    change, request = stage.in_review()
    begins, ends = stage.clock.now(), stage.clock.now() + timedelta(hours=1)
    window = freezes.parse(f"{begins:%Y-%m-%d %H:%M} - {ends:%Y-%m-%d %H:%M} UTC")
    policies.save(
        rule=Rule("frozen", freezes=(window,)),
        actor=stage.person("ada", "administrator"),
        clock=stage.clock,
    )
    stage.look()
    assert state_of(change) == IN_REVIEW
    assert stage.forge.statuses[-1] == (request.head_commit, False)
    assert delivery_of(change).reason.startswith("A freeze holds until ")
    stage.clock.advance(3600)
    stage.look()
    assert stage.forge.statuses[-1] == (request.head_commit, True)
    assert delivery_of(change).reason == ""


def test_a_stop_fails_the_check_and_opens_no_request(stage: ReviewStage) -> None:
    change, request = stage.in_review()
    other = stage.approved("spoke-b")
    admin = stage.person("ada", "administrator")
    stopping.stop(fleet=stage.fleet, reason="Outage.", actor=admin, clock=stage.clock)
    stage.look()
    assert state_of(change) == IN_REVIEW
    assert stage.forge.statuses[-1] == (request.head_commit, False)
    assert state_of(other) == QUEUED
    assert len(stage.forge.pulls) == 1
    stopping.go(fleet=stage.fleet, actor=admin, clock=stage.clock, queue=stage.queue)
    stage.look()
    assert state_of(other) == IN_REVIEW
    assert stage.forge.statuses[0] == (request.head_commit, True)
    assert state_of(change) == IN_REVIEW


def test_a_rule_that_became_stricter_closes_the_request(stage: ReviewStage) -> None:
    change, _ = stage.in_review()
    policies.save(
        rule=Rule("two", approvers=2),
        actor=stage.person("ada", "administrator"),
        clock=stage.clock,
    )
    assert stage.look().lapsed == (change.pk,)
    assert stage.forge.pulls[1].state is PullRequestState.CLOSED
    assert "needs 1 more approval" in stage.forge.said[0]


def test_it_tells_what_a_request_waits_for(stage: ReviewStage) -> None:
    _, request = stage.in_review()
    stage.forge.others = (CheckFacts("ci/test", CheckState.FAILED, "https://ci/1"),)
    stage.look()
    request.refresh_from_db()
    assert request.waits_for == "It waits for ci/test to pass; it failed."
    assert request.checks == [{"name": "ci/test", "state": "failed", "url": "https://ci/1"}]


def test_a_fleet_keeps_its_way_while_requests_are_open(stage: ReviewStage) -> None:
    stage.in_review()
    with pytest.raises(Refused, match="1 change is on the way"):
        configuration.save_fleet(
            values={"delivery_mode": "direct"}, actor=None, clock=stage.clock, fleet=stage.fleet
        )
    stage.fleet.refresh_from_db()
    assert stage.fleet.delivery_mode == Fleet.DeliveryMode.PULL_REQUEST
    stage.forge.merge(1)
    stage.look()
    configuration.save_fleet(
        values={"delivery_mode": "direct"}, actor=None, clock=stage.clock, fleet=stage.fleet
    )


@pytest.fixture
def bell(stage: ReviewStage, monkeypatch: pytest.MonkeyPatch) -> FakeQueue:
    """What a call of the forge rings; the fleet has a webhook secret."""
    queue = FakeQueue()
    monkeypatch.setattr(wiring, "queue", lambda: queue)
    monkeypatch.setattr(wiring, "clock", lambda: stage.clock)
    secret = stage.folder / "webhook-secret"
    secret.write_text("s3cret\n")
    Fleet.objects.update(webhook_secret_file=str(secret))
    return queue


def call(client: Client, signature: str, body: bytes = b'{"action":"closed"}', **more: str) -> int:
    answer = client.post(
        reverse("forge-called", args=["fleet-a"]),
        body,
        content_type="application/json",
        headers={"x-gitea-signature": signature, **more},
    )
    return answer.status_code


def signed(body: bytes = b'{"action":"closed"}', secret: bytes = b"s3cret") -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def test_a_signed_call_lets_it_look_at_once(
    stage: ReviewStage, bell: FakeQueue, client: Client
) -> None:
    change, _ = stage.in_review()
    stage.clock.advance(3)
    assert call(client, signed()) == 204
    assert bell.woken == [("onboarding.deliver", {"fleet_id": stage.fleet.pk})]
    assert Delivery.objects.get().due_at == stage.clock.now()
    # Replayed: nothing more happens, and what it tells is not believed.
    assert call(client, signed()) == 204
    assert len(bell.woken) == 1
    stage.look(0)
    assert state_of(change) == IN_REVIEW
    assert call(client, signed()) == 204
    assert len(bell.woken) == 1, "it was looked at just now"


@pytest.mark.parametrize(
    "signature", ["", "0" * 64, signed(b"other body"), signed(secret=b"other"), signed()[:-1], "é"]
)
def test_a_call_that_is_not_signed_does_nothing(
    stage: ReviewStage, bell: FakeQueue, client: Client, signature: str
) -> None:
    stage.in_review()
    stage.clock.advance(3)
    before = Delivery.objects.get().due_at
    assert call(client, signature) == 403
    assert bell.woken == []
    assert Delivery.objects.get().due_at == before


def test_a_fleet_without_a_secret_takes_no_call(
    stage: ReviewStage, bell: FakeQueue, client: Client
) -> None:
    stage.in_review()
    Fleet.objects.update(webhook_secret_file="")
    assert call(client, signed(secret=b"")) == 403
    address = reverse("forge-called", args=["no-such-fleet"])
    assert client.post(address, b"{}", content_type="application/json").status_code == 403
    assert client.get(address).status_code == 405


@pytest.mark.parametrize(
    ("forge", "header", "value"),
    [
        ("github", "x-hub-signature-256", "sha256=" + signed()),
        ("gitlab", "x-gitlab-token", "s3cret"),
    ],
)
def test_each_forge_signs_in_its_own_way(
    stage: ReviewStage, bell: FakeQueue, client: Client, forge: str, header: str, value: str
) -> None:
    stage.in_review()
    Fleet.objects.update(forge=forge)
    stage.clock.advance(3)
    assert call(client, "", **{header: value[:-1] + "x"}) == 403
    assert call(client, "", **{header: value}) == 204
    assert len(bell.woken) == 1


def test_the_member_is_written_as_planned(stage: ReviewStage) -> None:
    _, request = stage.in_review()
    files = repositories.tree(stage.bare, request.branch)
    assert b"spoke-a" in files[member("spoke-a")]
    message = repositories.log(stage.bare, branch=request.branch)[0]
    assert "Change-Id:" in message
    assert "Approved-by: arno" in message
