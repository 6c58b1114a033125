"""A new fleet repository: the shipped one, filled in for one hub and its tenants."""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.names import HubName, TenantName
from onboarding.ports import Clock, CommitRequest, FleetRepository, TreeEdit

TEMPLATE = Path(__file__).resolve().parent.parent / "fleet_template"
BOOTSTRAP = "hub-bootstrap.yaml"
_SKIPPED = {"__pycache__", ".helm", ".DS_Store"}


@dataclass(frozen=True, slots=True)
class NewFleet:
    """What a new fleet repository has to know: how the hub reaches it, the hub, AWS and the tenants."""

    repository_url: str
    revision: str
    hub: HubName
    aws_region: str
    tenants: tuple[TenantName, ...]


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
        "",
        CommitRequest(
            edits=tuple(files(new)),
            message=f"Begin the fleet of {new.hub}\n\nThe fleet repository as Fleet UI ships it.\n",
            author_name=author_name,
            author_email=author_email,
            when=clock.now(),
        ),
    )
    said = repository.push("", commit, timeout=60)
    if repository.fetch() != commit:
        raise Transient(f"The first commit did not arrive in the repository. {said}")
    return commit


def files(new: NewFleet) -> Iterator[TreeEdit]:
    """All files of a new fleet repository, `hub-bootstrap.yaml` filled in."""
    for path in sorted(TEMPLATE.rglob("*")):
        if not path.is_file() or _SKIPPED & set(path.parts):
            continue
        name = path.relative_to(TEMPLATE).as_posix()
        content = path.read_bytes()
        if name == BOOTSTRAP:
            content = bootstrap(content.decode(), new).encode()
        yield TreeEdit(path=name, before_blob="", content=content)


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
