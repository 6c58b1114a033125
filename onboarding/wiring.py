"""The only place that builds adapters from settings and rows.

Services get ports; tests replace the functions of this module, never what is behind them.
"""

from __future__ import annotations

import fcntl
import functools
import itertools
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from django.conf import settings
from django.urls import reverse

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.named_files import usable_file
from onboarding.domain.openid import Provider
from onboarding.domain.reviews import ForgeKind, project_of
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Fleet, Hub, Webhook
from onboarding.ports import (
    ArgoCD,
    ChartRenderer,
    Clock,
    CommitRequest,
    FleetRepository,
    Forge,
    HubReader,
    IdentityProvider,
    Mailer,
    SpokeCredentials,
    WebhookSender,
    WorkQueue,
)

if TYPE_CHECKING:
    from onboarding.adapters.git import GitRemote, GitRepository, Identity, SigningKey
    from onboarding.adapters.hub_access import TokenSource
    from onboarding.adapters.openid import OpenIDProvider
    from onboarding.services.notices import Way

_mirrors: dict[tuple[int, int, GitRemote, Identity, SigningKey | None], GitRepository] = {}
_mirrors_lock = threading.Lock()
# The identity provider with what is known of it, for all threads of this process.
_providers: list[OpenIDProvider] = []
_provider_lock = threading.Lock()
_held_slots: list[IO[str]] = []
# The first clone of a large repository takes longer than a fetch.
_VISIT_SECONDS = 300.0


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The present moment."""
        return datetime.now(UTC)


def clock() -> Clock:
    """The clock."""
    return SystemClock()


def queue() -> WorkQueue:
    """The bell that wakes Celery workers."""
    from celery import current_app

    from onboarding.adapters.celery_queue import CeleryQueue

    return CeleryQueue(current_app)


def identity_provider() -> IdentityProvider | None:
    """Who vouches for people besides the local accounts; None where nobody is configured."""
    from onboarding.adapters.openid import OpenIDProvider

    configured: Provider | None = settings.OPENID
    if configured is None:
        return None
    with _provider_lock:
        if not _providers or _providers[0].provider != configured:
            _providers[:] = [OpenIDProvider(configured)]
        return _providers[0]


def repository(fleet: Fleet) -> FleetRepository:
    """The fleet's repository: one bare mirror per process, fleet and way to reach it.

    Its threads share it: they add objects, which are named by their content, and move refs under a lock.
    """
    from onboarding.adapters.git import GitRepository, Identity, SigningKey

    remote = _remote(fleet, allow_local=settings.FLEETUI_ALLOW_LOCAL_REPOSITORIES)
    committer = Identity(email=fleet.committer_email) if fleet.committer_email else Identity()
    key_file = _file(fleet.signing_key_file)
    signing = SigningKey(fleet.signing, key_file) if fleet.signing and key_file else None
    key = (fleet.pk, os.getpid(), remote, committer, signing)
    with _mirrors_lock:
        if key not in _mirrors:
            _mirrors[key] = GitRepository(
                folder=_mirror_folder(fleet),
                remote=remote,
                committer=committer,
                signing_key=signing,
            )
        return _mirrors[key]


def repository_address(text: str) -> str:
    """The address of a repository as somebody typed it, where it can be used here.

    Raises `Refused` at `repository_url`; it carries no password or token.
    """
    from onboarding.adapters.git import parse_address

    return parse_address(text, allow_local=settings.FLEETUI_ALLOW_LOCAL_REPOSITORIES)


def _remote(fleet: Fleet, *, allow_local: bool) -> GitRemote:
    from onboarding.adapters.git import GitRemote, parse_address

    return GitRemote(
        url=parse_address(fleet.repository_url, allow_local=allow_local),
        branch=fleet.branch,
        username=fleet.username,
        credential_file=_file(fleet.credential_file),
        known_hosts_file=_file(fleet.known_hosts_file),
        ca_file=_file(fleet.ca_file),
        allow_local=allow_local,
    )


@contextmanager
def visit(fleet: Fleet, *, allow_local: bool | None = None) -> Iterator[FleetRepository]:
    """The repository of a fleet that is not configured yet: its mirror goes away afterwards.

    `allow_local` lets a command take a folder of this machine; a page never may, unless the
    installation does.
    """
    from onboarding.adapters.git import GitRepository

    if allow_local is None:
        allow_local = settings.FLEETUI_ALLOW_LOCAL_REPOSITORIES
    folder = Path(settings.REPOSITORIES_FOLDER)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="visit-", dir=folder) as place:
        yield GitRepository(
            folder=Path(place) / "mirror",
            remote=_remote(fleet, allow_local=allow_local),
            timeout=_VISIT_SECONDS,
        )


def begin_repository(folder: Path, *, branch: str, url: str, request: CommitRequest) -> str:
    """Make a folder of this machine a repository whose first commit is the request's."""
    from onboarding.adapters.git import begin_repository

    return begin_repository(folder, branch=branch, url=url, request=request)


@dataclass
class _Copy:
    """How fresh this process's copy of a fleet is: when its last fetch began, and what that ran into."""

    fetching: threading.Lock = field(default_factory=threading.Lock)
    began: float = float("-inf")
    problem: FleetError | None = None


_copies: dict[tuple[int, int], _Copy] = {}

PAGE_AGE = 3.0
"""How many seconds old the branch may be that a page shows."""


def current_repository(fleet: Fleet, *, max_age: float = PAGE_AGE) -> FleetRepository:
    """The fleet's repository, fetched at most `max_age` seconds ago: what a page or form looks at.

    Of many that ask at once, one fetches and the others wait for it.
    """
    found = repository(fleet)
    with _mirrors_lock:
        copy = _copies.setdefault((fleet.pk, os.getpid()), _Copy())
    asked = time.monotonic()
    with copy.fetching:
        if asked - copy.began <= max_age:
            if copy.problem:
                raise copy.problem
            return found
        copy.began, copy.problem = time.monotonic(), None
        try:
            found.fetch()
        except FleetError as error:
            copy.problem = error
            raise
        except BaseException:
            copy.began = float("-inf")
            raise
    return found


def folder(path: Path) -> Snapshot:
    """A fleet repository as a plain folder on this machine, read only."""
    from onboarding.adapters.folder import FolderSnapshot

    return FolderSnapshot(path)


def forge(fleet: Fleet) -> Forge:
    """The forge that carries the fleet's pull requests; raises `Refused` where it cannot be used."""
    from onboarding.adapters.forge import ForgeAccess, forge_of

    if not fleet.forge:
        raise Refused(f"Fleet {fleet.name} has no forge yet. An administrator can choose it.")
    url, project = project_of(fleet.repository_url, fleet.forge_url)
    access = ForgeAccess(
        url=url,
        project=project,
        target=fleet.branch,
        token_file=_named(fleet.forge_token_file or _https_token(fleet)),
        ca_file=_named(fleet.ca_file),
    )
    return forge_of(ForgeKind(fleet.forge), access)


def page_of_change(change_id: int) -> str:
    """The address of a change's page as people outside know it; "" where none is set."""
    if not settings.PUBLIC_URL:
        return ""
    return settings.PUBLIC_URL + reverse("change-detail", args=[change_id])


def webhook_sender() -> WebhookSender:
    """The way to webhooks."""
    from onboarding.adapters.webhooks import HttpsSender

    return HttpsSender(inside=settings.WEBHOOK_INSIDE_HOSTS, ca_file=settings.WEBHOOK_CA_FILE)


def mailer() -> Mailer:
    """The way to people's mailboxes."""
    from onboarding.services.mailing import DjangoMailer

    return DjangoMailer()


def way_to_webhook(webhook: Webhook) -> Way:
    """Where a webhook's calls go and what they are signed with, from its files where it names some."""
    from onboarding.services.notices import Way

    url = _secret_in(webhook.url_file) if webhook.url_file else webhook.url
    return Way(url, _secret_in(webhook.secret_file))


def webhook_secret(fleet: Fleet) -> str:
    """What the fleet's forge signs its calls with; "" where none is configured or readable."""
    return _secret_in(fleet.webhook_secret_file)


def _secret_in(file: str) -> str:
    if not file:
        return ""
    try:
        return _token(file).token()
    except Refused:
        return ""


def _https_token(fleet: Fleet) -> str:
    """The file of the repository's own credential, where that is a token."""
    return fleet.credential_file if fleet.repository_url.startswith("https://") else ""


def _file(path: str) -> Path | None:
    return Path(_named(path)) if path else None


def _named(path: str) -> str:
    """A file that an administrator named, unless it holds what is this installation's own."""
    return usable_file(path, own=settings.OWN_SECRET_FILES)


def hub_reader(hub: Hub) -> HubReader:
    """The hub's Kubernetes API."""
    from onboarding.adapters.hub_access import HubAccess
    from onboarding.adapters.kubernetes_hub import KubernetesHub

    if hub.access == Hub.Access.IN_CLUSTER:
        return KubernetesHub(HubAccess.in_cluster(hub.namespace))
    if not hub.api_url:
        raise Refused(f"Hub {hub.name} has no API address yet. An administrator can enter it.")
    return KubernetesHub(
        HubAccess(
            api_url=hub.api_url,
            namespace=hub.namespace,
            token=_hub_token(hub),
            ca_file=_named(hub.api_ca_file),
        )
    )


def _hub_token(hub: Hub) -> TokenSource:
    from onboarding.adapters.hub_access import EksToken

    if hub.access == Hub.Access.EKS:
        return EksToken(
            cluster=hub.eks_cluster,
            region=hub.aws_region,
            role_arn=hub.aws_role_arn,
            external_id=hub.aws_external_id,
        )
    return _token(hub.api_token_file)


def _token(file: str) -> TokenSource:
    from onboarding.adapters.hub_access import NoToken, TokenFile

    return TokenFile(_named(file)) if file else NoToken()


def argocd(hub: Hub) -> ArgoCD:
    """The hub's Argo CD API."""
    from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi

    if not hub.argocd_url:
        raise Refused(f"Hub {hub.name} has no Argo CD address yet. An administrator can enter it.")
    return ArgoCDApi(
        ArgoCDAccess(
            url=hub.argocd_url,
            token=_token(hub.argocd_token_file),
            ca_file=_named(hub.argocd_ca_file),
        )
    )


def credentials(hub: Hub) -> SpokeCredentials:
    """The Secrets Manager that holds the credentials of a hub's spokes."""
    from onboarding.adapters.aws_secrets import AwsSecrets, SecretsAccess

    return AwsSecrets(
        SecretsAccess(
            region=hub.aws_region,
            role_arn=hub.aws_role_arn,
            external_id=hub.aws_external_id,
            endpoint_url=hub.aws_endpoint_url,
        )
    )


def renderer() -> ChartRenderer:
    """What evaluates charts and Go templates: Helm where it is on PATH, else nothing, which says so.

    One serves the whole process, for it remembers what it rendered.
    """
    return _renderer(settings.HELM_COMMAND)


@functools.cache
def _renderer(command: str) -> ChartRenderer:
    from onboarding.adapters.helm_cli import HelmCli

    return HelmCli(command)


def _mirror_folder(fleet: Fleet) -> Path:
    """A folder for one more mirror of this fleet: the first slot that no living process holds.

    The lock on the slot's file ends with the process, so a crashed worker's mirror is taken over.
    """
    folder = Path(settings.REPOSITORIES_FOLDER) / f"fleet-{fleet.pk}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number in itertools.count():
        slot = (folder / f"{number}.lock").open("w")
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            slot.close()
            continue
        _held_slots.append(slot)
        return folder / str(number)
    raise AssertionError("unreachable")
