"""What programs send and hear. What is right is decided by forms and domain; here are only shapes."""

from __future__ import annotations

from typing import Annotated, Any

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints

_TEXT = r"^[^\x00]*$"  # PostgreSQL keeps no NUL, and fails on one
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_TEXT)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=600, pattern=_TEXT)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_TEXT)]
Value = Annotated[str, StringConstraints(max_length=200, pattern=_TEXT)]
Server = Annotated[str, StringConstraints(max_length=500, pattern=_TEXT)]
Answers = Annotated[dict[Key, Value | None], Field(max_length=100)]


class _Asked(Schema):
    model_config = ConfigDict(extra="forbid")


class _Choices(_Asked):
    model: Name | None = Field(
        None, description="centralized (of a new cluster, if not said) or distributed"
    )
    remote_addons: bool | None = Field(None, description="The spoke deploys its add-ons itself.")
    remote_resources: bool | None = Field(
        None, description="The spoke deploys its resources itself."
    )
    options: Answers = Field(
        default_factory=dict, description="Rare member keys, as in the form; null takes one away."
    )
    pins: Answers = Field(
        default_factory=dict,
        description="Release channels and enable flags by label, as addonsRelease or "
        "enable_metrics_server; null inherits.",
    )
    labels: Answers = Field(
        default_factory=dict,
        description="Other labels of the cluster secret; null takes a pinned one away, and it inherits.",
    )


class Registration(_Choices):
    """A spoke cluster that shall join the fleet of its hub."""

    hub: Name
    cluster: Name
    tenant: Name
    environment: Name
    secret_name: Secret = Field(description="The secret's name in AWS Secrets Manager.")
    server: Server | None = Field(
        None, description="The API server, where the secret has no tag fleet/server."
    )


class Edit(_Choices):
    """What shall change of a registered cluster; what is not said stays."""


class Revision(_Choices):
    """What shall change of a request that waits for approval; what is not said stays."""

    revision: Annotated[int, Field(ge=1, le=2**31 - 1)] = Field(
        description="The revision that you have seen; another one is refused (409)."
    )
    hub: Name | None = Field(None, description="This and the next five: of a registration alone.")
    cluster: Name | None = None
    tenant: Name | None = None
    environment: Name | None = None
    secret_name: Secret | None = None
    server: Server | None = None


class LeavingPlanned(_Asked):
    """A cluster whose way out is planned."""

    workloads: Name = Field(description="keep or remove: what becomes of what was deployed.")


class Leaving(LeavingPlanned):
    """A cluster that shall leave the fleet."""

    confirm: Name = Field(description="The cluster's name once more.")


class Delivery(Schema):
    """What became of the approved change in Git."""

    state: str
    commit: str
    reason: str
    tries: int
    committed_at: str | None


class HubFollows(Schema):
    """What the hub did, held against the plan: waiting, agrees, differs or superseded."""

    state: str
    differences: list[str]


class Step(Schema):
    """One step of a cluster's way out."""

    step: str
    title: str
    change: int | None
    says: str
    remedy: str
    stuck: bool
    done_at: str | None


class Offboarding(Schema):
    """A cluster's way out of the fleet."""

    state: str
    workloads: str
    note: str
    ended_at: str | None
    steps: list[Step]


class Change(Schema):
    """Where a change stands. Decision, delivery and what the hub did are three things."""

    number: int
    id: str = Field(description="The Change-Id of its commit.")
    kind: str
    fleet: str
    hub: str
    cluster: str
    tenant: str
    environment: str
    state: str = Field(description="submitted, approved, rejected, withdrawn or lapsed")
    waits_for: str
    note: str
    revision: int
    digest: str = Field(description="What an approver approves.")
    destructive: bool
    requested_by: str
    submitted_at: str | None
    decided_at: str | None
    settled_at: str | None
    delivery: Delivery | None
    hub_follows: HubFollows | None
    offboarding: Offboarding | None
    page: str = Field(description="Where people decide on it; empty without PUBLIC_URL.")


class File(Schema):
    """One file that the commit touches."""

    path: str
    change: str


class Label(Schema):
    """One label that the cluster secret will carry, and where it is set."""

    key: str
    value: str
    path: str
    line: int | None


class Application(Schema):
    """One Application that a plan foresees."""

    name: str
    component: str
    group: str
    version: str
    destination: str
    namespace: str
    deletes_resources: bool


class Applications(Schema):
    """What follows for a cluster's Applications."""

    appear: list[Application]
    change: list[Application]
    disappear: list[Application]


class Warning(Schema):
    """What an approver should know."""

    message: str
    code: str


class Moved(Schema):
    """A cluster that the edit of a shared layer moves."""

    hub: str
    cluster: str


class Plan(Schema):
    """The plan of a change, or of a dry run: what is written, and what follows from it."""

    change: int | None = Field(description="null of a dry run")
    digest: str = Field(description="What an approval holds for; empty of a dry run.")
    content: str = Field(
        description="The digest of what is written and what follows, whoever asks: a dry run and the "
        "change that it became have the same, as long as they come to the same."
    )
    commit: str
    destructive: bool
    patch: str
    files: list[File]
    labels: list[Label]
    applications: Applications
    warnings: list[Warning]
    moves: list[Moved] = Field(description="Of a shared layer's edit: every cluster that moves.")
    steps: list[str] = Field(description="Of a cluster that leaves: its commits, in order.")
    problem: str


class Channel(Schema):
    """A release channel of a cluster."""

    label: str
    value: str
    pinned: bool


class Counts(Schema):
    """Applications of a cluster."""

    total: int
    synced: int
    healthy: int


class Cluster(Schema):
    """How a cluster stands. `as_of` is when that was composed, `seen_at` when the hub was last heard."""

    fleet: str
    hub: str
    cluster: str
    tenant: str
    environment: str
    model: str
    state: str
    says: str
    advice: str
    stage: str
    in_git: bool
    change: int | None
    since: str | None
    seen_at: str | None
    as_of: str | None
    channels: list[Channel]
    applications: Counts
    drifted_labels: int


class Clusters(Schema):
    """A page of clusters; `next` is the `after` of the following one, null at the end."""

    clusters: list[Cluster]
    next: int | None


class WaitedFor(Change):
    """A change with its cluster's state, at the end of a wait."""

    cluster_state: Cluster | None


class Waited(Schema):
    """`reached`: it came so far. `over`: it never will. Neither: ask again."""

    until: str
    reached: bool
    over: bool
    change: WaitedFor


class Token(Schema):
    """The token that asks."""

    service: str
    prefix: str
    verbs: list[str]
    fleets: list[str]
    expires_at: str


class ProblemField(Schema):
    """One field that has to be mended; "" for the whole."""

    field: str
    code: str
    message: str


class Problem(Schema):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemField]


def plain(asked: Schema) -> dict[str, Any]:
    """What was sent, as plain data."""
    return asked.model_dump(mode="json", exclude_unset=True)
