"""Delivery by pull request, on a real Gitea: branch, request, status, merge, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.urls import reverse
from pytest_django.live_server_helper import LiveServer

from onboarding import wiring
from onboarding.adapters.forge import gitea as gitea_adapter
from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.alarms import Alarm
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.models import Change, Delivery, Event, Fleet, PullRequest
from onboarding.services import withdrawals
from onboarding.services.delivery import merging
from onboarding.services.delivery.deliveries import DeliveryReport
from tests.fakes import FakeQueue
from tests.faults.processes import Site, Worker, die
from tests.faults.test_workers import SIGKILLED, at
from tests.hub import binaries
from tests.hub.forge import Gitea, Project, real_gitea, until
from tests.stage import COMMITTED, LAPSED, Meddled, delivery_of, member, outcomes, state_of

IN_REVIEW = (DecisionState.APPROVED.value, DeliveryState.IN_REVIEW.value)
REJECTED = (DecisionState.REJECTED.value, DeliveryState.FAILED.value)
DIFFERENT = (DecisionState.APPROVED.value, DeliveryState.MERGED_DIFFERENTLY.value)
PROTECTION = {"enable_status_check": True, "status_check_contexts": ["fleet-ui/plan"]}


@pytest.fixture(scope="module")
def gitea(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitea]:
    """The forge that all tests of this module share."""
    try:
        binaries.ensure("gitea")
    except binaries.GoMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with real_gitea(tmp_path_factory.mktemp("gitea")) as running:
        yield running


class ForgeSite(Site):
    """A fleet whose repository is a project on the forge."""

    def __init__(self, folder: Path, gitea: Gitea) -> None:
        self.gitea = gitea
        self.project: Project | None = None
        self.token = folder / "token"
        self.token.write_text(gitea.tokens["fleet-ui"] + "\n")
        super().__init__(folder)
        self.project = Project(gitea, f"fleet-{uuid4().hex[:8]}", self.bare)
        Fleet.objects.update(
            repository_url=self.project.url,
            credential_file=str(self.token),
            ca_file=str(gitea.ca_file),
            delivery_mode=Fleet.DeliveryMode.PULL_REQUEST,
            forge="gitea",
        )
        self.fleet.refresh_from_db()
        self.forge = wiring.forge
        self.repository = self.new_repository("mirror-b")

    def new_repository(self, name: str) -> Meddled:
        if self.project is None:
            return super().new_repository(name)
        remote = GitRemote(
            url=self.project.url,
            branch="main",
            credential_file=self.token,
            ca_file=self.gitea.ca_file,
        )
        return Meddled(GitRepository(folder=self.folder / name, remote=remote))

    def on_forge(self) -> Project:
        assert self.project is not None
        return self.project

    def look(self) -> DeliveryReport:
        """Look at every pull request now."""
        Delivery.objects.filter(state="in_review").update(due_at=self.clock.now())
        return self.deliver(forge=wiring.forge)

    def in_review(self, cluster: str) -> tuple[Change, PullRequest]:
        """A change whose pull request is open."""
        change = self.approved(cluster)
        self.deliver(forge=wiring.forge)
        assert state_of(change) == IN_REVIEW, delivery_of(change).reason
        return change, PullRequest.objects.get(delivery__change=change)


@pytest.fixture
def site(
    transactional_db: None, tmp_path: Path, gitea: Gitea, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ForgeSite]:
    # How fast a forge on a busy machine answers is not what is tested.
    monkeypatch.setattr(gitea_adapter, "SECONDS", 120.0)
    site = ForgeSite(tmp_path, gitea)
    yield site
    site.end()


@pytest.mark.parametrize("how", ["merge", "squash", "rebase"])
def test_it_delivers_by_pull_request(site: ForgeSite, how: str) -> None:
    project = site.on_forge()
    project.protect(**PROTECTION)
    change, request = site.in_review("spoke-a")
    (pull,) = project.pulls()
    assert pull["head"]["ref"] == request.branch
    assert pull["head"]["ref"].startswith(f"fleetui/{change.uid}-")
    assert (pull["number"], pull["html_url"]) == (request.number, request.url)
    assert pull["user"]["login"] == "fleet-ui"
    assert str(change.uid) in pull["body"]
    assert change.plan_digest in pull["body"]
    assert len(project.log()) == 1, "nothing is on main before it is merged"
    plan = change.plan_digest.rpartition(":")[2][:12]
    (status,) = project.statuses(request.head_commit)
    assert status == ("success", f"Exactly the approved plan {plan}, which holds on main.")
    assert request.waits_for == "It waits for somebody to merge it."

    # Another file moves on main meanwhile, so that a rebase makes a commit of its own.
    project.write("docs/note.md", "by hand\n")
    project.merge(request.number, how)
    report = site.look()

    assert report.committed == (change.pk,)
    assert state_of(change) == COMMITTED
    request.refresh_from_db()
    assert (request.state, request.actor) == ("merged", "maria")
    delivery = delivery_of(change)
    assert delivery.commit == request.merge_commit == project.pulls()[0]["merge_commit_sha"]
    assert (delivery.commit == request.head_commit) is False
    assert delivery.alarm == ""
    assert change.settled_at is not None
    assert len(project.pulls()) == 1
    assert site.look() == DeliveryReport(), "what is done is left alone"


def test_it_tells_what_was_merged_differently(site: ForgeSite) -> None:
    project = site.on_forge()
    change, request = site.in_review("spoke-a")
    project.write(member("spoke-a"), 'clusterName: "another"\n', branch=request.branch)
    site.look()

    request.refresh_from_db()
    plan = change.plan_digest.rpartition(":")[2][:12]
    red = f"The branch holds more than the approved plan {plan}: take the other commits off it."
    assert project.statuses(request.head_commit) == [("failure", red)]
    assert delivery_of(change).reason == red
    assert request.head_commit != delivery_of(change).commit
    assert state_of(change) == IN_REVIEW

    project.merge(request.number, "merge")
    report = site.look()
    assert (report.committed, report.merged_differently) == ((), (change.pk,))
    assert state_of(change) == DIFFERENT
    delivery = delivery_of(change)
    assert delivery.alarm == Alarm.MERGED_DIFFERENTLY
    assert "merged by maria with other content" in delivery.reason
    assert member("spoke-a") in delivery.reason
    assert Event.objects.filter(change=change, verb="delivery.merged_differently").count() == 1
    with pytest.raises(Refused, match="Revert it in Git"):
        withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)


@pytest.mark.parametrize("how", ["squash", "rebase"])
def test_it_sees_an_extra_file_however_it_was_merged(site: ForgeSite, how: str) -> None:
    project = site.on_forge()
    change, request = site.in_review("spoke-a")
    project.write("docs/extra.md", "not approved\n", branch=request.branch)
    project.write("docs/note.md", "by hand\n")
    project.merge(request.number, how)
    site.look()
    assert state_of(change) == DIFFERENT
    assert delivery_of(change).reason.endswith("in: docs/extra.md.")


def test_a_protected_branch_does_not_take_what_is_red(site: ForgeSite) -> None:
    project = site.on_forge()
    project.protect(**PROTECTION, block_admin_merge_override=True)
    change, request = site.in_review("spoke-a")
    project.write("docs/extra.md", "not approved\n", branch=request.branch)
    site.look()
    path = f"/repos/{project.path}/pulls/{request.number}/merge"
    assert project.gitea.call("maria", "POST", path, {"Do": "merge"}).status_code == 405
    site.look()
    assert state_of(change) == IN_REVIEW
    assert len(project.log()) == 1


def test_whoever_closes_it_rejects_the_change(site: ForgeSite) -> None:
    project = site.on_forge()
    change, request = site.in_review("spoke-a")
    with pytest.raises(Refused, match="Close the pull request on the forge"):
        withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)
    project.ask("PATCH", f"/pulls/{request.number}", {"state": "closed"})
    report = site.look()

    assert report.rejected == (change.pk,)
    assert state_of(change) == REJECTED
    assert "closed on the forge by maria at 20" in change.state_note
    request.refresh_from_db()
    assert (request.state, request.actor) == ("closed", "maria")
    assert request.acted_at is not None
    event = Event.objects.get(change=change, verb="change.rejected")
    assert event.detail["by"] == "maria"
    assert len(project.log()) == 1
    assert len(project.pulls()) == 1
    site.approved("spoke-a")  # its name is free again


def test_an_approval_lapses_where_the_plan_moves(site: ForgeSite) -> None:
    project = site.on_forge()
    change, request = site.in_review("spoke-a")
    first = project.statuses(request.head_commit)
    values = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
    project.write(values, "externalSecret:\n  labels:\n    addonsRelease: default\n    more: x\n")
    report = site.look()

    assert report.lapsed == (change.pk,)
    assert state_of(change) == LAPSED
    assert values in change.state_note
    (newest, *rest) = project.statuses(request.head_commit)
    assert newest[0] == "failure"
    assert rest == first
    assert project.pulls()[0]["state"] == "closed"
    comments = project.ask("GET", f"/issues/{request.number}/comments")
    assert "approval of this change lapsed" in comments[0]["body"]
    assert Event.objects.filter(change=change, verb="change.rejected").count() == 0


def before_it_is_written_down(_: Meddled) -> None:
    """Die when the pull request is open and no row says so."""
    merging.begin_review = lambda **_: die()  # type: ignore[assignment]


@pytest.mark.parametrize(
    "meddle",
    [
        pytest.param(at("before_push", die), id="before-the-branch"),
        pytest.param(at("after_push", die), id="between-branch-and-request"),
        pytest.param(before_it_is_written_down, id="between-request-and-record"),
    ],
)
def test_it_opens_one_request_though_workers_are_killed(site: ForgeSite, meddle: object) -> None:
    project = site.on_forge()
    change = site.approved("spoke-a")
    assert Worker(site, meddle).wait() == SIGKILLED  # type: ignore[arg-type]
    assert state_of(change)[1] == DeliveryState.PUSHING.value
    with pytest.raises(Refused, match="being written to Git"):
        withdrawals.withdraw(change_id=change.pk, actor=site.requester, clock=site.clock)

    for _ in range(4):  # a forge that is slow costs the worker its lease, and the next one goes on
        site.lease_ends()
        site.all_is_due()
        site.work()
        if state_of(change) == IN_REVIEW:
            break
    assert state_of(change) == IN_REVIEW, delivery_of(change).reason
    (pull,) = project.pulls()
    assert project.branches() == {"main", pull["head"]["ref"]}
    project.merge(pull["number"], "squash")
    site.look()
    assert state_of(change) == COMMITTED
    assert len(project.pulls()) == 1


def test_it_finds_what_was_merged_and_tidied_up_meanwhile(site: ForgeSite) -> None:
    project = site.on_forge()
    change = site.approved("spoke-a")
    assert Worker(site, before_it_is_written_down).wait() == SIGKILLED
    (pull,) = project.pulls()
    project.merge(pull["number"], "merge")
    project.ask("DELETE", f"/branches/{pull['head']['ref']}")
    site.lease_ends()
    site.work()
    assert state_of(change) == COMMITTED
    assert len(project.pulls()) == 1


def test_a_push_to_a_protected_branch_is_refused_in_words(site: ForgeSite) -> None:
    project = site.on_forge()
    project.protect()
    Fleet.objects.update(delivery_mode=Fleet.DeliveryMode.DIRECT)
    change = site.approved("spoke-a")
    site.deliver()
    delivery = delivery_of(change)
    assert delivery.state == DeliveryState.QUEUED.value
    assert "protected branch" in delivery.reason
    assert delivery.alarm == Alarm.POLICY
    assert "by pull request" in Alarm(delivery.alarm).advice
    assert outcomes(change) == ["refused"]
    assert len(project.log()) == 1
    assert project.branches() == {"main"}


def test_the_token_is_in_nothing_that_is_kept_or_said(
    site: ForgeSite, caplog: pytest.LogCaptureFixture
) -> None:
    token = site.token.read_text().strip()
    site.in_review("spoke-a")
    assert site.repository.check().endswith("The account may write.")
    assert "may open pull requests into main" in wiring.forge(site.fleet).check()
    site.token.write_text("0" * 40)
    with pytest.raises(Refused, match="Put a current token") as refused:
        wiring.forge(site.fleet).check()
    site.look()
    assert "answered 401" in Delivery.objects.get().reason
    site.token.write_text(token)
    site.look()
    assert Delivery.objects.get().reason == ""
    kept = [*Delivery.objects.values(), *PullRequest.objects.values(), *Event.objects.values()]
    assert token not in f"{kept}{caplog.text}{refused.value}{site.on_forge().pulls()}"
    mirrors = [file for file in site.folder.rglob("*") if file.is_file() and file != site.token]
    assert mirrors
    assert not [file for file in mirrors if token.encode() in file.read_bytes()]


def test_a_webhook_lets_it_look_at_once(
    site: ForgeSite, live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = FakeQueue()
    monkeypatch.setattr(wiring, "queue", lambda: queue)
    secret = site.folder / "webhook-secret"
    secret.write_text("s3cret\n")
    Fleet.objects.update(webhook_secret_file=str(secret))
    address = live_server.url + reverse("forge-called", args=["fleet-a"])
    config = {"url": address, "content_type": "json", "secret": "s3cret"}
    hook = {"type": "gitea", "active": True, "events": ["pull_request"], "config": config}
    site.on_forge().ask("POST", "/hooks", hook)
    change, request = site.in_review("spoke-a")
    long_ago = site.clock.now() - timedelta(minutes=1)
    PullRequest.objects.update(seen_at=long_ago)
    queue.woken.clear()

    site.on_forge().ask("PATCH", f"/pulls/{request.number}", {"state": "closed"})
    until(lambda: bool(queue.woken))
    assert queue.woken == [("onboarding.deliver", {"fleet_id": site.fleet.pk})]
    site.deliver(forge=wiring.forge)  # what the bell wakes; it is not time for a look otherwise
    assert state_of(change) == REJECTED
