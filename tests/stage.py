"""A fleet with its remote, people and workers, for tests of the way from approval to Git."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.layout import Placement
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import EditCluster, RegisterCluster
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Change, Delivery, Fleet, Hub
from onboarding.ports import CommitFacts, CommitRequest
from onboarding.services import approvals, changes
from onboarding.services.delivery import deliveries
from tests import repositories
from tests.fakes import FakeClock, FakeQueue, FakeSecrets
from tests.people import give

MEMBERS = "fleet/fleet-bootstrap/fleet-members/hub-a"
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
FILES: dict[str, str | bytes | None] = {
    VERSIONS: "releases:\n  addons:\n    - type: default\n      version: 0.3.1\n",
    "addons/tenants/defaults/fleet/fleet-secret/values.yaml": (
        "externalSecret:\n  labels:\n    addonsRelease: default\n"
    ),
    "README.md": "# The fleet\n",
}


class Meddled:
    """The real repository, with a test acting between its steps."""

    def __init__(self, real: GitRepository) -> None:
        self.real = real
        self.before_fetch: Callable[[], None] | None = None
        self.after_build: Callable[[], None] | None = None
        self.before_push: Callable[[], None] | None = None
        self.after_push: Callable[[], None] | None = None
        self.before_find: Callable[[], None] | None = None
        self.pushes: list[int] = []

    def fetch(self) -> str:
        self._act("before_fetch")
        return self.real.fetch()

    def push(self, base: str, tip: str, *, timeout: float, not_after: float = float("inf")) -> str:
        self._act("before_push")
        self.pushes.append(self._length(base, tip))
        said = self.real.push(base, tip, timeout=timeout, not_after=not_after)
        self._act("after_push")
        return said

    def snapshot(self, commit: str | None = None) -> Snapshot:
        return self.real.snapshot(commit)

    def build(self, base: str, request: CommitRequest) -> str:
        built = self.real.build(base, request)
        self._act("after_build")
        return built

    def keep(self) -> None:
        self.real.keep()

    def find(self, trailer: str, *values: str, since: str, tip: str) -> tuple[CommitFacts, ...]:
        self._act("before_find")
        return self.real.find(trailer, *values, since=since, tip=tip)

    def is_ancestor(self, older: str, newer: str) -> bool:
        return self.real.is_ancestor(older, newer)

    def same_folder(self, folder: str, one: str, other: str) -> bool:
        return self.real.same_folder(folder, one, other)

    def difference(self, one: str, other: str) -> Mapping[str, tuple[str, str]] | None:
        return self.real.difference(one, other)

    def proposed(self, rev: str) -> str:
        return self.real.proposed(rev)

    def fetch_branch(self, branch: str) -> str:
        return self.real.fetch_branch(branch)

    def push_branch(
        self, branch: str, tip: str, *, timeout: float, not_after: float = float("inf")
    ) -> str:
        self._act("before_push")
        said = self.real.push_branch(branch, tip, timeout=timeout, not_after=not_after)
        self._act("after_push")
        return said

    def parents(self, commit: str) -> tuple[str, ...]:
        return self.real.parents(commit)

    def changes(self, commit: str) -> Mapping[str, tuple[str, str]]:
        return self.real.changes(commit)

    def history(self, paths: Sequence[str], *, limit: int) -> tuple[CommitFacts, ...]:
        return self.real.history(paths, limit=limit)

    def check(self) -> str:
        return self.real.check()

    def _act(self, name: str) -> None:
        act: Callable[[], None] | None = getattr(self, name)
        setattr(self, name, None)
        if act:
            act()

    def _length(self, base: str, tip: str) -> int:
        count, mirror = 0, self.real._mirror.open()
        while tip != base:
            tip = str(mirror[tip].parent_ids[0])
            count += 1
        return count


class Stage:
    """A fleet with its remote, people, and a worker that can be run, killed and paused."""

    def __init__(self, folder: Path, clock: FakeClock | None = None) -> None:
        self.folder = folder
        self.bare = repositories.bare_repository(folder / "remote.git", FILES)
        self.remote: GitRemote | None = None  # another way to it than its folder
        self.clock = clock or FakeClock()
        self.queue = FakeQueue()
        self.fleet = Fleet.objects.create(name="fleet-a", repository_url=str(self.bare))
        self.hub = Hub.objects.create(fleet=self.fleet, name="hub-a")
        self.requester = self.person("rita", "requester")
        self.approver = self.person("arno", "approver")
        self.secrets = FakeSecrets()
        self.repository = self.new_repository("mirror-a")

    def new_repository(self, name: str) -> Meddled:
        here = GitRemote(url=str(self.bare), branch="main", allow_local=True)
        remote = self.remote or here
        return Meddled(GitRepository(folder=self.folder / name, remote=remote))

    def person(self, name: str, *roles: str) -> User:
        user = User.objects.create_user(name, f"{name}@example.com")
        give(user, *(roles or ["viewer"]))
        return User.objects.get(pk=user.pk)

    def intent(self, cluster: str, kind: type = RegisterCluster) -> RegisterCluster | EditCluster:
        placement = Placement(
            HubName("hub-a"), ClusterName(cluster), TenantName("team-a"), Environment("dev")
        )
        pins = {"addonsRelease": "default"} if kind is EditCluster else {}
        self.secrets.add(f"fleet/{cluster}")
        intent: RegisterCluster | EditCluster = kind(
            placement=placement,
            secret_name=f"fleet/{cluster}",
            model=DeploymentModel.CENTRALIZED,
            pins=pins,
        )
        return intent

    def submitted(self, cluster: str, kind: type = RegisterCluster) -> Change:
        self.repository.real.fetch()
        return changes.submit(
            fleet=self.fleet,
            intent=self.intent(cluster, kind),
            form_data={},
            actor=self.requester,
            repository=self.repository,
            credentials=self.secrets,
            clock=self.clock,
        )

    def approved(self, cluster: str, kind: type = RegisterCluster) -> Change:
        return self.approve(self.submitted(cluster, kind))

    def approve(self, change: Change) -> Change:
        self.clock.advance(1)
        approvals.approve(
            change_id=change.pk,
            digest=change.plan_digest,
            actor=self.approver,
            clock=self.clock,
            queue=self.queue,
        )
        change.refresh_from_db()
        return change

    def deliver(self, repository: Meddled | None = None, **more: Any) -> deliveries.DeliveryReport:
        return deliveries.deliver(
            fleet_id=self.fleet.pk,
            repository=repository or self.repository,
            clock=self.clock,
            queue=self.queue,
            worker="worker-a",
            **more,
        )

    def until_settled(self, rounds: int = 12) -> None:
        for _ in range(rounds):
            self.deliver()
            self.clock.advance(61)

    def commits(self) -> list[str]:
        """The messages of the commits above the first, newest first."""
        return repositories.log(self.bare)[:-1]

    def files(self) -> set[str]:
        return set(repositories.tree(self.bare)) - set(FILES)

    def human(self, path: str, text: str = "by: hand\n") -> Callable[[], None]:
        return lambda: repositories.commit(self.bare, {path: text}) and None


def delivery_of(change: Change) -> Delivery:
    return Delivery.objects.get(change=change, digest=change.plan_digest)


def state_of(change: Change) -> tuple[str, str]:
    change.refresh_from_db()
    return change.state, Delivery.objects.filter(change=change).latest("pk").state


def outcomes(change: Change) -> list[str]:
    return list(delivery_of(change).attempts.values_list("outcome", flat=True))


def member(cluster: str) -> str:
    return f"{MEMBERS}/{cluster}.yaml"


COMMITTED = (DecisionState.APPROVED.value, DeliveryState.COMMITTED.value)
QUEUED = (DecisionState.APPROVED.value, DeliveryState.QUEUED.value)
PUSHING = (DecisionState.APPROVED.value, DeliveryState.PUSHING.value)
FAILED = (DecisionState.APPROVED.value, DeliveryState.FAILED.value)
LAPSED = (DecisionState.LAPSED.value, DeliveryState.FAILED.value)
