"""The stages of an onboarding, and the facts from which its progress is told.

Every fact may be absent; an absent fact is never taken for a good one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.sync import Rollup


class Stage(StrEnum):
    """The stages of one cluster's way into the fleet, in order."""

    APPROVED = "approved"
    COMMITTED = "committed"
    NOTICED = "noticed"
    SECRET = "secret"  # noqa: S105 -- the name of a stage, no secret
    REGISTERED = "registered"
    MATCHED = "matched"
    SYNCED = "synced"
    HEALTHY = "healthy"

    @property
    def words(self) -> str:
        """What has happened once the stage is reached, as pages say it."""
        return _WORDS[self]


_WORDS: Mapping[Stage, str] = {
    Stage.APPROVED: "Approved",
    Stage.COMMITTED: "Committed to Git",
    Stage.NOTICED: "Noticed by the hub",
    Stage.SECRET: "Credentials fetched",
    Stage.REGISTERED: "Registered in Argo CD",
    Stage.MATCHED: "Matched by ApplicationSets",
    Stage.SYNCED: "Applications synced",
    Stage.HEALTHY: "Applications healthy",
}


class StepState(StrEnum):
    """How a stage stands.

    ACTIVE: something is being done. WAITING: something must come from outside. UNOBSERVED: it was
    not seen itself, though a later stage that needs it was.
    """

    DONE = "done"
    ACTIVE = "active"
    WAITING = "waiting"
    FAILED = "failed"
    TODO = "todo"
    UNOBSERVED = "unobserved"


@dataclass(frozen=True, slots=True)
class ExternalSecretFacts:
    """What a hub says of the ExternalSecret that fetches a spoke's credentials.

    `ready` and `store_ready` are their Ready conditions (None: not said), `reason` and `message`
    those of the ExternalSecret, `at` when its condition last changed. `presence` is what Secrets
    Manager itself says of the secret (None: not asked), `presence_detail` that in a sentence.
    `complaint` is the operator's newest warning, "" where none is known.
    """

    ready: bool | None = None
    reason: str = ""
    message: str = ""
    at: datetime | None = None
    store_ready: bool | None = None
    store_message: str = ""
    presence: SecretPresence | None = None
    presence_detail: str = ""
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class LabelDifference:
    """One label of the live cluster secret that is not as Git says; None where it is absent."""

    key: str
    predicted: str | None
    live: str | None

    def __str__(self) -> str:
        live = "absent" if self.live is None else (self.live or "empty")
        predicted = "absent" if self.predicted is None else (self.predicted or "empty")
        return f"{self.key} is {live}, not {predicted}"


POLL_INTERVAL = timedelta(minutes=6)
"""How long a hub that nobody tells takes at most: its ApplicationSets look every three minutes, and its
repo-server may answer with what it read three minutes before (its `--revision-cache-expiration`)."""


CONTROLLER_PATIENCE = timedelta(minutes=1)
"""How long a controller that runs may take for its part; after that it is said that it may not run."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was seen of one cluster: decision, delivery and observation, each on its own.

    Decision and delivery are those of the change that is told of, None for a cluster that was in
    Git before. `in_git`: its member file is in the tree that was indexed (None: not looked).
    `files_problem`: a file of it in Git cannot be read. `noticed_at`: its registration Application
    exists. `matched`: how many ApplicationSets select
    it (None: not looked). `applications`: its Applications' verdicts (None: not looked).
    `webhook`: the hub was told of the commit at once. `removing`/`removed`: its offboarding, which
    stands as `removing_says`, with what to do about it in `removing_remedy`.
    `paused`: the live cluster secret has Argo CD leave it alone; `pausing`: Git says so. `pause_says`
    is who paused it, why and until when.
    `registration_says` is what its registration Application says while it is not well;
    `broken_members` are other members of its hub whose files cannot be read.
    `labels_settled`: the live labels were read when the hub had had time to follow Git's newest
    commit. `clusters_seen_at`: Argo CD was last asked for its clusters then. `same_name` are the servers of
    several cluster secrets that all have its name. `own_groups` are the groups that its own Argo CD
    deploys, `own_seen_at` when that was last seen (None: access to it is not configured, or it was never
    seen), `own_applications` how many it had then. `set_problems` are the ApplicationSets that select it,
    report an error and can make nothing for it, or change nothing any more;
    `unwatched`: so many more Applications does Argo CD have for it than are watched;
    `uncompared` of its Applications were never compared with Git by Argo CD.
    `hub_silent_since`: its hub's Kubernetes API has not answered from then on, for the reason
    `hub_problem`; `argocd_silent_since` and `argocd_problem` say the same of its Argo CD, and
    `controller_silent_since` and `controller_problem` of Argo CD's application controller,
    `sets_silent_since` and `sets_problem` of its ApplicationSet controller.
    """

    decision: DecisionState | None = None
    submitted_at: datetime | None = None
    approved_at: datetime | None = None
    delivery: DeliveryState | None = None
    delivery_reason: str = ""
    commit: str = ""
    committed_at: datetime | None = None
    in_git: bool | None = None
    removing: bool = False
    removed: bool = False
    removing_says: str = ""
    removing_remedy: str = ""
    hub_seen_at: datetime | None = None
    hub_problem: str = ""
    hub_silent_since: datetime | None = None
    argocd_silent_since: datetime | None = None
    argocd_problem: str = ""
    controller_silent_since: datetime | None = None
    controller_problem: str = ""
    sets_silent_since: datetime | None = None
    sets_problem: str = ""
    stale_after: timedelta = timedelta(minutes=5)
    webhook: bool = False
    poll_interval: timedelta = POLL_INTERVAL
    noticed_at: datetime | None = None
    files_problem: str = ""
    registration_problem: str = ""
    paused: bool = False
    pausing: bool = False
    pause_says: str = ""
    registration_says: str = ""
    broken_members: tuple[str, ...] = ()
    external_secret: ExternalSecretFacts | None = None
    registered_at: datetime | None = None
    clusters_seen_at: datetime | None = None
    label_differences: tuple[LabelDifference, ...] = ()
    labels_settled: bool = True
    same_server: tuple[str, ...] = ()
    same_name: tuple[str, ...] = ()
    connection: str = ""
    connection_message: str = ""
    matched: int | None = None
    matched_at: datetime | None = None
    set_problems: tuple[tuple[str, str], ...] = ()
    uncompared: int = 0
    own_groups: tuple[str, ...] = ()
    own_seen_at: datetime | None = None
    own_applications: int = 0
    unwatched: int = 0
    applications: Rollup | None = None
    failures: tuple[tuple[str, str], ...] = ()
    synced_at: datetime | None = None
    healthy_at: datetime | None = None

    def is_committed(self) -> bool:
        """Whether the cluster's files are in Git, by delivery or by looking."""
        return self.delivery is DeliveryState.COMMITTED or bool(self.in_git)

    def is_unknown_to_argo_cd(self) -> bool:
        """Whether Argo CD had long time to say that it knows the cluster of these Applications, and did not."""
        seen, made = self.clusters_seen_at, self.matched_at
        return (
            self.registered_at is None
            and bool(self.applications and self.applications.total)
            and seen is not None
            and made is not None
            and seen - made > CONTROLLER_PATIENCE
        )

    def is_fresh(self, now: datetime) -> bool:
        """Whether what the hub says is recent enough to be believed."""
        return self.hub_seen_at is not None and now - self.hub_seen_at <= self.stale_after


def is_overdue(since: datetime | None, now: datetime) -> bool:
    """Whether a controller that runs would have done its part by now, had it begun at `since`."""
    return since is not None and now - since > CONTROLLER_PATIENCE


@dataclass(frozen=True, slots=True)
class Why:
    """How a stage that is not reached stands, the reason, and the remedy."""

    state: StepState
    reason: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the timeline.

    `at` is when it was reached and `took` how long after the stages before it, `since` from when it
    waits, `usual` how long it usually takes (None: there is no history of it yet), `reason` why it
    stands as it does, `remedy` what to do (both "" where there is nothing to say).
    """

    stage: Stage
    title: str
    state: StepState
    at: datetime | None = None
    reason: str = ""
    remedy: str = ""
    took: timedelta | None = None
    since: datetime | None = None
    usual: timedelta | None = None
