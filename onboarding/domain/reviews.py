"""Pull requests: what one is, the branch that a change gets, and whether what was merged was approved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from onboarding.domain.errors import Refused

STATUS_NAME = "fleet-ui/plan"
"""What our commit status is called on the forge: protect the branch with it."""

_SCP_LIKE = re.compile(r"[^@/]+@([^:/]+):(.+)")
_NAMED = 3
# Of the web, and nothing in it that ends an attribute or that two readers take for two things.
_LINK = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(?:[/?#][A-Za-z0-9._~:/?#\[\]@!$&()*+,;=%-]*)?")
_LONGEST_LINK = 500


class ForgeKind(StrEnum):
    """The forges that are spoken; Forgejo answers as Gitea does."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"

    @property
    def word(self) -> str:
        """The name that pages show."""
        return {"github": "GitHub", "gitlab": "GitLab", "gitea": "Gitea or Forgejo"}[self.value]


class PullRequestState(StrEnum):
    """Where a pull request (GitLab: merge request) stands."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


class CheckState(StrEnum):
    """How one check of a commit stands on the forge."""

    PASSED = "passed"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PullRequestFacts:
    """One pull request as the forge tells it.

    `merge_commit` is the commit that it left on the target branch, `by` and `at` who merged or
    closed it and when, as far as the forge says so; `conflicts` None where it does not know yet.
    """

    number: int
    url: str
    state: PullRequestState
    head_commit: str
    merge_commit: str = ""
    by: str = ""
    at: datetime | None = None
    conflicts: bool | None = None

    def __post_init__(self) -> None:
        """A forge's word for where something is becomes a link only where it is one of the web."""
        object.__setattr__(self, "url", web_link(self.url))


@dataclass(frozen=True, slots=True)
class CheckFacts:
    """One check of a commit: its name, how it stands, and where it is explained."""

    name: str
    state: CheckState
    url: str = ""

    def __post_init__(self) -> None:
        """As for a pull request."""
        object.__setattr__(self, "url", web_link(self.url))


def web_link(text: str) -> str:
    """The address where it is http or https, of at most 500 plain characters; "" for anything else."""
    return text if len(text) <= _LONGEST_LINK and _LINK.fullmatch(text) else ""


def branch_of(change_id: str, digest: str) -> str:
    """The branch that carries one approved plan of a change: always the same, so never two."""
    return f"fleetui/{change_id}-{digest.rpartition(':')[2][:8]}"


def project_of(repository_url: str, forge_url: str = "") -> tuple[str, str]:
    """The forge's address and the project's path on it, from the repository's address.

    `https://host/team/fleet.git` and `git@host:team/fleet.git` give `https://host` and
    `team/fleet`; `forge_url` says the forge's address where it is another one (its path is no part
    of the project's). Raises `Refused` for an address that names no project on a host.
    """
    if found := _SCP_LIKE.fullmatch(repository_url):
        host, path = found[1], found[2]
    else:
        parts = urlsplit(repository_url)
        host = parts.netloc if parts.scheme == "https" else parts.hostname or ""
        path = parts.path
    base = forge_url.rstrip("/") or f"https://{host}"
    project = path.strip("/").removesuffix(".git")
    if prefix := urlsplit(base).path.strip("/"):
        project = project.removeprefix(f"{prefix}/")
    if not host or "/" not in project:
        raise Refused(
            f"{repository_url} names no project on a forge, so there can be no pull requests. "
            f"Deliver directly, or enter the address of a repository on GitHub, GitLab or Gitea.",
            field="repository_url",
            code="no_project",
        )
    return base, project


def waits_for(facts: PullRequestFacts, checks: Sequence[CheckFacts], *, target: str) -> str:
    """One sentence: what an open pull request waits for, the hardest obstacle first."""
    if facts.conflicts:
        return f"It conflicts with {target} and cannot be merged."
    if failed := [check.name for check in checks if check.state is CheckState.FAILED]:
        return (
            f"It waits for {_names(failed)} to pass; {'it' if len(failed) == 1 else 'they'} failed."
        )
    if running := [check.name for check in checks if check.state is CheckState.RUNNING]:
        return f"It waits for {_names(running)} to end."
    return "It waits for somebody to merge it."


def merged_otherwise(
    expected: Mapping[str, tuple[str, str]], found: Mapping[str, tuple[str, str]]
) -> tuple[str, ...]:
    """The files in which what was merged is not what was approved, by their content after it.

    Both map a path to the blobs before and after. How it was merged does not matter: a merge, a
    squash and a rebase that leave the same files are the same.
    """
    after = {path: blobs[1] for path, blobs in expected.items()}
    got = {path: blobs[1] for path, blobs in found.items()}
    return tuple(sorted(path for path in {*after, *got} if after.get(path) != got.get(path)))


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
