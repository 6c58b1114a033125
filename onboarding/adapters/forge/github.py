"""GitHub by PyGithub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from github import Auth, Github, GithubException
from github.GithubObject import NotSet
from github.PullRequest import PullRequest

from onboarding.adapters.forge.access import SECONDS, ForgeAccess, check_state, moment, one_line
from onboarding.domain.reviews import (
    STATUS_NAME,
    CheckFacts,
    CheckState,
    PullRequestFacts,
    PullRequestState,
)

_STATES = {
    "success": CheckState.PASSED,
    "neutral": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "pending": CheckState.RUNNING,
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
    "cancelled": CheckState.FAILED,
    "timed_out": CheckState.FAILED,
    "action_required": CheckState.FAILED,
    "startup_failure": CheckState.FAILED,
}


class GitHub:
    """The port `Forge` for one project on GitHub or GitHub Enterprise Server."""

    def __init__(self, access: ForgeAccess) -> None:
        self._access = access
        api = "https://api.github.com" if access.url == "https://github.com" else access.url
        if api == access.url and not api.endswith("/api/v3") and "api.github.com" not in api:
            api = f"{api}/api/v3"
        self._github = Github(
            auth=Auth.Token(access.token()),
            base_url=api,
            timeout=int(SECONDS),
            retry=None,
            verify=access.verify(),
            lazy=True,
        )
        self._project = self._github.get_repo(access.project)

    def find(self, branch: str) -> PullRequestFacts | None:
        """The pull request of a branch, in whatever state: an open one first, else the newest."""
        with self._talking(f"find the pull request of {branch}"):
            head = f"{self._access.owner}:{branch}"
            found = self._project.get_pulls(state="all", head=head, base=self._access.target)
            facts = [self._facts(each) for each in found]
        still_open = [each for each in facts if each.state is PullRequestState.OPEN]
        return next(iter([*still_open, *facts]), None)

    def open(self, branch: str, *, title: str, text: str) -> PullRequestFacts:
        """Ask for a branch to be merged; `Refused` where the forge has such a request already."""
        with self._talking(f"open a pull request for {branch}"):
            return self._facts(
                self._project.create_pull(
                    base=self._access.target, head=branch, title=title, body=text
                )
            )

    def look(self, number: int) -> PullRequestFacts:
        """How a pull request stands now; `Refused` where there is none of that number."""
        with self._talking(f"read pull request {number}"):
            return self._facts(self._project.get_pull(number).complete(), whole=True)

    def close(self, number: int, *, why: str) -> None:
        """Close a pull request without a merge, and say why in a comment; a closed one stays so."""
        with self._talking(f"close pull request {number}"):
            found = self._project.get_pull(number).complete()
            if found.state == "open":
                found.create_issue_comment(why)
                found.edit(state="closed")

    def checks(self, commit: str) -> tuple[CheckFacts, ...]:
        """How the checks of a commit stand, without our own: statuses and check runs."""
        with self._talking("read the checks"):
            asked = self._project.get_commit(commit)
            statuses = [
                CheckFacts(each.context, check_state(each.state, _STATES), each.target_url or "")
                for each in asked.get_combined_status().statuses
                if each.context != STATUS_NAME
            ]
            runs = [
                CheckFacts(
                    each.name,
                    check_state(each.conclusion or "pending", _STATES),
                    each.html_url or "",
                )
                for each in asked.get_check_runs()
            ]
        return (*statuses, *runs)

    def set_status(self, commit: str, *, passed: bool, text: str, url: str = "") -> None:
        """Set our own commit status, with one sentence and the page that says more, if any."""
        with self._talking("set a commit status"):
            self._project.get_commit(commit).create_status(
                state="success" if passed else "failure",
                description=one_line(text),
                context=STATUS_NAME,
                target_url=url or NotSet,
            )

    def check(self) -> str:
        """Try the project and the rights of the token; one plain sentence about what was found."""
        with self._talking("read the project"):
            may_write = bool(self._project.permissions.push)
        if not may_write:
            raise self._access.may_not_write()
        return (
            f"Reached {self._access.project} on GitHub; the account may open pull requests into "
            f"{self._access.target}."
        )

    def _facts(self, found: PullRequest, *, whole: bool = False) -> PullRequestFacts:
        merged = found.merged_at is not None
        closed = not merged and found.state == "closed"
        by = found.merged_by if merged and whole else None
        if closed and whole:
            by = found.as_issue().closed_by
        # GitHub answers null until it has tried to merge it.
        mergeable: bool | None = found.mergeable if whole else None
        return PullRequestFacts(
            number=found.number,
            url=found.html_url,
            state=PullRequestState.MERGED
            if merged
            else PullRequestState.CLOSED
            if closed
            else PullRequestState.OPEN,
            head_commit=found.head.sha,
            merge_commit=(found.merge_commit_sha or "") if merged else "",
            by=by.login if by else "",
            at=moment(found.merged_at or found.closed_at),
            conflicts=None if mergeable is None else not mergeable,
        )

    @contextmanager
    def _talking(self, doing: str) -> Iterator[None]:
        """Turn what PyGithub raises into words."""
        try:
            yield
        except GithubException as error:
            said = error.data.get("message", "") if isinstance(error.data, dict) else ""
            raise self._access.failure(error.status or 500, str(said), doing=doing) from None
        except (AttributeError, TypeError) as error:  # a redirect is an empty answer to PyGithub
            raise self._access.unclear() from error
        except requests.RequestException as error:
            raise self._access.away(error, doing=doing) from None
