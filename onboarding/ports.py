"""What the services need of the world, as promises. Adapters keep them; wiring chooses the adapter.

Every method raises `Refused` where the user or an administrator must act, and `Transient` where
another try may help; nothing else on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from onboarding.domain.credentials import SecretFacts
from onboarding.domain.reviews import CheckFacts, PullRequestFacts
from onboarding.domain.snapshot import Snapshot


class Clock(Protocol):
    """The time of day; a port so that tests own it."""

    def now(self) -> datetime:
        """The present moment, timezone-aware, UTC."""
        ...


@dataclass(frozen=True, slots=True)
class TreeEdit:
    """One file as it shall be: `content` None removes it; `before_blob` "" means it must be absent before.

    With `is_link` a new file is a symbolic link and its content the target: a new repository has
    some, a change never.
    """

    path: str
    before_blob: str
    content: bytes | None
    is_link: bool = False


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """One commit to build: its edits, message (subject, body, trailers) and author."""

    edits: tuple[TreeEdit, ...]
    message: str
    author_name: str
    author_email: str
    when: datetime


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """One commit of the branch's history."""

    sha: str
    subject: str
    author_name: str
    authored_at: datetime
    trailers: Mapping[str, str] = field(default_factory=dict)
    paths: tuple[str, ...] = ()


class FleetRepository(Protocol):
    """The fleet's Git repository on one branch."""

    def fetch(self) -> str:
        """Bring the branch from the remote; return its tip ("" where the branch has no commit yet)."""
        ...

    def snapshot(self, commit: str | None = None) -> Snapshot:
        """The tree at `commit`, or at the last fetched tip; `Refused` where that commit is unknown."""
        ...

    def build(self, base: str, request: CommitRequest) -> str:
        """Make a commit on top of `base`, here only; return its SHA.

        It may stay in memory until `keep`. Raises `Refused` (code `moved`) where a file's blob at
        `base` is not its edit's `before_blob`, or where the built difference is not exactly the asked
        edits.
        """
        ...

    def keep(self) -> None:
        """Write what was built to the local object store; `Transient` where there is no room for it."""
        ...

    def push(self, base: str, tip: str, *, timeout: float, not_after: float = float("inf")) -> str:
        """Try to move the remote branch from `base` to `tip`, compare-and-swap.

        It takes at most `timeout` seconds, and neither begins nor goes on when the monotonic clock
        reads more than `not_after`: a process that slept through its lease sends nothing.
        Returns what the remote or Git said (scrubbed, for people). The caller never judges by it:
        it reads the remote afterwards with `fetch` and `find`.
        """
        ...

    def fetch_branch(self, branch: str) -> str:
        """Bring another branch of the remote; return its tip, or "" where there is no such branch."""
        ...

    def push_branch(
        self, branch: str, tip: str, *, timeout: float, not_after: float = float("inf")
    ) -> str:
        """Try to create a branch at `tip` on the remote; one that exists is left as it is.

        Time and answer are as for `push`: what became of it is read with `fetch_branch`.
        """
        ...

    def find(self, trailer: str, *values: str, since: str, tip: str) -> tuple[CommitFacts, ...]:
        """Commits in `since..tip` whose message carries the trailer with one of the values, newest first."""
        ...

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `older` is in the history of `newer` (a commit is its own ancestor)."""
        ...

    def same_folder(self, folder: str, one: str, other: str) -> bool:
        """Whether a folder holds the same at two commits; never where a commit is not known."""
        ...

    def difference(self, one: str, other: str) -> Mapping[str, tuple[str, str]] | None:
        """Path -> (blob at one commit, blob at the other), "" for absent, of all that differs between two.

        None where one of them is not known (any more).
        """
        ...

    def proposed(self, rev: str) -> str:
        """The commit that merging a branch or commit into the last fetched tip would make, local only.

        Raises `Refused` where the remote has no such branch or commit, or where it conflicts.
        """
        ...

    def changes(self, commit: str) -> Mapping[str, tuple[str, str]]:
        """Path -> (blob before, blob after), "" for absent, of one commit against its first parent."""
        ...

    def parents(self, commit: str) -> tuple[str, ...]:
        """The commits that a commit continues, the one of its own branch first."""
        ...

    def history(self, paths: Sequence[str], *, limit: int) -> tuple[CommitFacts, ...]:
        """The newest commits that touched any of `paths`, from the last fetched tip."""
        ...

    def check(self) -> str:
        """Try to reach the remote and read the branch; return one plain sentence about what was found."""
        ...


class HubKind(StrEnum):
    """The kinds of objects that are observed on a hub; the value is the API's plural."""

    APPLICATIONS = "applications"
    APPLICATION_SETS = "applicationsets"
    EXTERNAL_SECRETS = "externalsecrets"
    SECRET_STORES = "secretstores"  # noqa: S105 -- a kind of object, not a secret


@dataclass(frozen=True, slots=True)
class HubPage:
    """One page of a list: the objects as plain maps, where to go on, and the list's version."""

    items: tuple[Mapping[str, Any], ...]
    continue_token: str
    resource_version: str


class HubEventType(StrEnum):
    """What a watch says of an object; BOOKMARK carries only a newer resource version."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


@dataclass(frozen=True, slots=True)
class HubEvent:
    """One event of a watch."""

    type: HubEventType
    object: Mapping[str, Any]
    resource_version: str


class ListExpired(Exception):
    """The hub no longer has the asked resource version (HTTP 410): list again, then watch."""


class HubReader(Protocol):
    """A hub's Kubernetes API, confined to Argo CD's namespace. It cannot read Secrets."""

    def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
        """One page of all objects of a kind.

        Raises `ListExpired` where the token is too old, `TooLarge` where fewer should be asked for.
        """
        ...

    def watch(self, kind: HubKind, *, resource_version: str, timeout: int) -> Iterator[HubEvent]:
        """Events after `resource_version`, at most `timeout` seconds; raises `ListExpired` on 410."""
        ...

    def complaint(self, kind: HubKind, name: str) -> str:
        """What a controller last warned of about one object, in its words (its newest Event); "" for nothing.

        Raises `Refused` where the right to read Events is missing, which the product can do without.
        """
        ...

    def ask_application_set_to_look(self, name: str) -> str:
        """Set Argo CD's refresh annotation on one ApplicationSet, so that it reads Git at once.

        Returns the resource version of the set that carries it.
        """
        ...

    def identity(self) -> str:
        """What tells this hub from another one at the same address (kube-system's or the namespace's UID)."""
        ...

    def check(self) -> str:
        """Try the API and the rights that are needed; one plain sentence about what was found."""
        ...

    def version(self) -> str:
        """The version that the hub's Kubernetes states; the demo hub's contains "demo"."""
        ...

    def close(self) -> None:
        """End what is under way, from any thread: a watch that waits for events returns at once."""
        ...


@dataclass(frozen=True, slots=True)
class RegisteredCluster:
    """One cluster as Argo CD knows it from its cluster secret: never its credentials."""

    name: str
    server: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    connection: str
    connection_message: str
    connected_at: datetime | None
    applications: int
    version: str = ""


class ArgoCD(Protocol):
    """Argo CD's own API, with a read-only token."""

    def clusters(self) -> tuple[RegisteredCluster, ...]:
        """All registered clusters with labels and connection state."""
        ...

    def refresh_application(self, name: str) -> None:
        """Ask Argo CD to compare one Application with Git now (`refresh=normal`)."""
        ...

    def check(self) -> str:
        """Try the API and the token; one plain sentence about what was found."""
        ...


class SpokeCredentials(Protocol):
    """The secrets that hold the spokes' credentials, seen from outside only."""

    def describe(self, name: str) -> SecretFacts:
        """What is known of one secret without its value; every failure is an answer, nothing is raised."""
        ...

    def check(self) -> str:
        """Try the service and the rights; one plain sentence about what was found."""
        ...


class Forge(Protocol):
    """The pull requests of one project into one target branch, on GitHub, GitLab or Gitea."""

    def find(self, branch: str) -> PullRequestFacts | None:
        """The pull request of a branch, in whatever state: an open one first, else the newest."""
        ...

    def open(self, branch: str, *, title: str, text: str) -> PullRequestFacts:
        """Ask for a branch to be merged; `Refused` where the forge has such a request already."""
        ...

    def look(self, number: int) -> PullRequestFacts:
        """How a pull request stands now; `Refused` where there is none of that number."""
        ...

    def close(self, number: int, *, why: str) -> None:
        """Close a pull request without a merge, and say why in a comment; a closed one stays so."""
        ...

    def checks(self, commit: str) -> tuple[CheckFacts, ...]:
        """How the checks of a commit stand, without our own."""
        ...

    def set_status(self, commit: str, *, passed: bool, text: str, url: str = "") -> None:
        """Set our own commit status, with one sentence and the page that says more, if any."""
        ...

    def check(self) -> str:
        """Try the project and the rights of the token; one plain sentence about what was found."""
        ...


class ChartRenderer(Protocol):
    """An engine that evaluates charts and Go templates; it asks neither a network nor a cluster."""

    def engine(self) -> str:
        """What renders, by name and version ("Helm 3.18.4"); "" where nothing does."""
        ...

    def render(
        self, chart: Mapping[str, bytes], values: Sequence[bytes]
    ) -> tuple[Mapping[str, Any], ...]:
        """The objects that a chart makes: its files by their path in it, values files lowest first.

        `Refused` where it does not render (code `chart_fails`, with what the engine said) and where
        there is no engine (`no_renderer`); `Transient` where it takes too long.
        """
        ...


class WorkQueue(Protocol):
    """The bell that wakes a worker. The work itself is rows; a lost bell costs seconds, not work."""

    def wake(self, task: str, **identifiers: str | int) -> None:
        """Ask for one run of the named task soon; never raises, a broker that is away is logged."""
        ...


class WebhookSender(Protocol):
    """The way to a webhook's receiver."""

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> None:
        """Send one body. Raises `Refused` where it never will be taken, `Transient` where it may be later."""
        ...


class Mailer(Protocol):
    """The way to people's mailboxes."""

    def send(self, *, to: str, subject: str, text: str) -> None:
        """Send one e-mail. Raises `Refused` where the address is refused, `Transient` otherwise."""
        ...


@dataclass(frozen=True, slots=True)
class SignInBegun:
    """A sign-in that goes to the provider: where to, and what its answer has to fit."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class ProviderTokens:
    """What the provider gave: verified claims, and the tokens for asking again and for signing out."""

    claims: Mapping[str, Any]
    id_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ProviderSignOut:
    """The provider says that a person (`subject`) or one session of theirs (`session`) ended at a time."""

    subject: str
    session: str
    at: datetime


class IdentityProvider(Protocol):
    """Who vouches for people: OpenID Connect's authorization code flow, with PKCE."""

    def begin(self, *, redirect_uri: str, silent: bool = False) -> SignInBegun:
        """Prepare to send a person there; `silent` asks for an answer without a page shown to them."""
        ...

    def finish(self, *, code: str, begun: SignInBegun, redirect_uri: str) -> ProviderTokens:
        """Exchange the code that came back, and verify what it gives.

        Raises `Refused`, of code `grant` where the code counts no more, `client` where this
        installation is not known there, `clock` where the two clocks disagree, else `token`.
        """
        ...

    def answers(self) -> bool:
        """Whether the provider is there now."""
        ...

    def renew(self, *, refresh_token: str, subject: str) -> ProviderTokens:
        """Ask anew about a person who signed in before; raises as `finish` does."""
        ...

    def sign_out_url(self, *, id_token: str, return_to: str) -> str:
        """Where a person signs out at the provider, too; "" where it has no such place."""
        ...

    def signed_out(self, text: str) -> ProviderSignOut:
        """What a logout token of the provider says; raises `Refused` for one that does not count."""
        ...
