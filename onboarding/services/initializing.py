"""A new fleet repository: the shipped one, filled in for one hub and its tenants."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.names import AWS_REGION, GitRef, HubName, TenantName
from onboarding.ports import Clock, CommitRequest, FleetRepository, TreeEdit

TEMPLATE = Path(__file__).resolve().parent.parent / "fleet_template"
BOOTSTRAP = "hub-bootstrap.yaml"
EXAMPLES = (TenantName("tenant1"), TenantName("tenant2"))
"""The tenants that the shipped repository shows its layers with."""

_SKIPPED = {"__pycache__", ".helm", ".DS_Store"}
_URL = re.compile(r"[A-Za-z0-9@/][A-Za-z0-9._~/@%+,:=-]{1,499}")
_LABELS = """\
# Labels of all clusters of {tenant}. Layer 3 of 5: {tenant}'s choice. Nothing differs from the layers below yet;
# channels (addonsRelease: "release1") and components (enable_metrics_server: "true") go under externalSecret.labels.
externalSecret:
  labels: {{}}
"""
_TENANT_FOLDER = re.compile(r"^[a-z]+/tenants/([^/]+)/")


@dataclass(frozen=True, slots=True)
class NewFleet:
    """What a new fleet repository has to know: how the hub reaches it, the hub, AWS and the tenants."""

    repository_url: str
    revision: str
    hub: HubName
    aws_region: str
    tenants: tuple[TenantName, ...]

    @classmethod
    def parse(
        cls,
        *,
        repository_url: str,
        revision: str,
        hub: str,
        aws_region: str,
        tenants: Sequence[str],
    ) -> NewFleet:
        """Read what somebody typed; raises `Refused` with the first thing that cannot be used.

        Everything goes into one YAML file that an administrator applies to the hub, so each value is
        held against what it may be.
        """
        if not _URL.fullmatch(repository_url):
            raise Refused(
                f"{repository_url!r:.120} is not an address from which Argo CD could read the "
                "repository. Use https://host/path or git@host:path.",
                field="repository_url",
                code="invalid_address",
            )
        if not AWS_REGION.fullmatch(aws_region):
            raise Refused(
                f"{aws_region!r:.40} is no AWS region. Enter one such as eu-west-1.",
                field="aws_region",
                code="invalid_region",
            )
        named = tuple(dict.fromkeys(TenantName(tenant) for tenant in tenants))
        if not named:
            raise Refused("A fleet needs at least one tenant.", field="tenants", code="required")
        return cls(repository_url, GitRef(revision), HubName(hub), aws_region, named)


def initialize(
    *, repository: FleetRepository, new: NewFleet, author_name: str, author_email: str, clock: Clock
) -> str:
    """Write the shipped fleet repository as the first commit of an empty branch; return the commit.

    Raises `Refused` where the branch already has a commit (nothing of anybody's is overwritten), and
    `Transient` where the push did not arrive.
    """
    if repository.fetch():
        raise Refused(
            "The branch already has commits, and nothing is written over them. "
            "Name an empty repository, or adopt this one as it is.",
            code="not_empty",
        )
    commit = repository.build(
        "", first_commit(new, author_name=author_name, author_email=author_email, clock=clock)
    )
    said = repository.push("", commit, timeout=60)
    if repository.fetch() != commit:
        raise Transient(f"The first commit did not arrive in the repository. {said}")
    return commit


def first_commit(
    new: NewFleet, *, author_name: str, author_email: str, clock: Clock
) -> CommitRequest:
    """The first commit of a new fleet repository: all its files, and who begins it."""
    return CommitRequest(
        edits=tuple(files(new)),
        message=f"Begin the fleet of {new.hub}\n\nThe fleet repository as Fleet UI ships it.\n",
        author_name=author_name,
        author_email=author_email,
        when=clock.now(),
    )


def files(new: NewFleet) -> Iterator[TreeEdit]:
    """All files of a new fleet repository: `hub-bootstrap.yaml` filled in, folders for its tenants.

    The example tenants' folders come along only where the fleet has tenants of these names; every
    other tenant begins with one file of labels that sets nothing yet.
    """
    for path in sorted(TEMPLATE.rglob("*")):
        if not (path.is_file() or path.is_symlink()) or _SKIPPED & set(path.parts):
            continue
        name = path.relative_to(TEMPLATE).as_posix()
        example = _TENANT_FOLDER.match(name)
        if example and example[1] in set(EXAMPLES) - set(new.tenants):
            continue
        if path.is_symlink():
            yield TreeEdit(name, "", bytes(path.readlink()), is_link=True)
            continue
        content = path.read_bytes()
        if name == BOOTSTRAP:
            content = bootstrap(content.decode(), new).encode()
        yield TreeEdit(path=name, before_blob="", content=content)
    for tenant in new.tenants:
        if tenant not in EXAMPLES:
            yield TreeEdit(
                path=f"addons/tenants/{tenant}/defaults/fleet/fleet-secret/values.yaml",
                before_blob="",
                content=_LABELS.format(tenant=tenant).encode(),
            )


def bootstrap(text: str, new: NewFleet) -> str:
    """The hub's bootstrap file: placeholders filled, the tenant's document once for each tenant."""
    common = {
        "REPOSITORY_URL": new.repository_url,
        "REVISION": new.revision,
        "HUB_NAME": new.hub,
        "AWS_REGION": new.aws_region,
    }
    documents = text.split("\n---\n")
    return "\n---\n".join(
        filled for document in documents for filled in _fill(document, common, new.tenants)
    )


def _fill(document: str, common: dict[str, str], tenants: Sequence[TenantName]) -> list[str]:
    if "${TENANT}" not in document:
        return [string.Template(document).safe_substitute(common)]
    return [
        string.Template(document).safe_substitute({**common, "TENANT": tenant})
        for tenant in tenants
    ]
