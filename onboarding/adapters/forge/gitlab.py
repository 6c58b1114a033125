"""GitLab by python-gitlab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gitlab
import requests
from gitlab.exceptions import GitlabError

from onboarding.adapters.forge.access import SECONDS, ForgeAccess, check_state, moment, one_line
from onboarding.domain.errors import Refused
from onboarding.domain.reviews import (
    STATUS_NAME,
    CheckFacts,
    CheckState,
    PullRequestFacts,
    PullRequestState,
)

_DEVELOPER = 30  # GitLab's access level that may push branches and open merge requests
_STATES = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "canceled": CheckState.FAILED,
}
_PULL_STATES = {"merged": PullRequestState.MERGED, "closed": PullRequestState.CLOSED}


class _Client(gitlab.Gitlab):
    """python-gitlab, which would otherwise sleep for a minute and more where it is told to wait."""

    def http_request(self, *arguments: Any, **options: Any) -> requests.Response:
        return super().http_request(*arguments, **{"obey_rate_limit": False, **options})


class GitLab:
    """The port `Forge` for one project on GitLab, where a pull request is a merge request."""

    def __init__(self, access: ForgeAccess) -> None:
        self._access = access
        session = requests.Session()
        session.trust_env = False  # no password from ~/.netrc
        session.max_redirects = 0  # a redirect would carry the token elsewhere
        self._gitlab = _Client(
            access.url,
            private_token=access.token(),
            timeout=SECONDS,
            ssl_verify=access.verify(),
            retry_transient_errors=False,
            session=session,
        )
        self._project = self._gitlab.projects.get(access.project, lazy=True)

    def find(self, branch: str) -> PullRequestFacts | None:
        """The merge request of a branch, in whatever state: an open one first, else the newest."""
        with self._talking(f"find the merge request of {branch}"):
            found = self._project.mergerequests.list(
                source_branch=branch,
                target_branch=self._access.target,
                state="all",
                order_by="created_at",
                sort="desc",
                get_all=True,
            )
        facts = [self._facts(each) for each in found]
        still_open = [each for each in facts if each.state is PullRequestState.OPEN]
        return next(iter([*still_open, *facts]), None)

    def open(self, branch: str, *, title: str, text: str) -> PullRequestFacts:
        """Ask for a branch to be merged; `Refused` where the forge has such a request already."""
        asked = {
            "source_branch": branch,
            "target_branch": self._access.target,
            "title": title,
            "description": text,
        }
        with self._talking(f"open a merge request for {branch}"):
            return self._facts(self._project.mergerequests.create(asked))

    def look(self, number: int) -> PullRequestFacts:
        """How a merge request stands now; `Refused` where there is none of that number."""
        with self._talking(f"read merge request {number}"):
            return self._facts(self._project.mergerequests.get(number))

    def close(self, number: int, *, why: str) -> None:
        """Close a merge request without a merge, and say why in a note; a closed one stays so."""
        with self._talking(f"close merge request {number}"):
            found = self._project.mergerequests.get(number)
            if self._facts(found).state is PullRequestState.OPEN:
                found.notes.create({"body": why})
                found.state_event = "close"
                found.save()

    def checks(self, commit: str) -> tuple[CheckFacts, ...]:
        """How the checks of a commit stand, without our own."""
        with self._talking("read the checks"):
            asked = self._project.commits.get(commit, lazy=True)
            found = asked.statuses.list(get_all=True)
        return tuple(
            CheckFacts(
                name=str(each.name)[:100],
                state=check_state(str(each.status), _STATES),
                url=str(each.attributes.get("target_url") or ""),
            )
            for each in found
            if each.name != STATUS_NAME
        )

    def set_status(self, commit: str, *, passed: bool, text: str, url: str = "") -> None:
        """Set our own commit status, with one sentence and the page that says more, if any."""
        with self._talking("set a commit status"):
            self._project.commits.get(commit, lazy=True).statuses.create(
                {
                    "state": "success" if passed else "failed",
                    "name": STATUS_NAME,
                    "description": one_line(text),
                    **({"target_url": url} if url else {}),
                }
            )

    def check(self) -> str:
        """Try the project and the rights of the token; one plain sentence about what was found."""
        with self._talking("read the project"):
            rights = self._gitlab.projects.get(self._access.project).permissions
        levels = [each["access_level"] for each in rights.values() if each]
        if max(levels, default=0) < _DEVELOPER:
            raise Refused(
                f"{self._access.url} shows {self._access.project}, but the token's account is less "
                f"than a developer there, so it cannot open merge requests. Give it that role.",
                field="forge_token_file",
                code="forbidden",
            )
        return (
            f"Reached {self._access.project} on GitLab; the account may open merge requests into "
            f"{self._access.target}."
        )

    def _facts(self, found: Any) -> PullRequestFacts:
        known = found.attributes
        state = _PULL_STATES.get(known["state"], PullRequestState.OPEN)
        merged = state is PullRequestState.MERGED
        # A fast-forward leaves no commit of its own: then the head itself is on the target.
        left = known.get("merge_commit_sha") or known.get("squash_commit_sha") or known.get("sha")
        who = (known.get("merge_user") or known.get("merged_by")) if merged else None
        who = who or known.get("closed_by") or {}
        return PullRequestFacts(
            number=int(known["iid"]),
            url=str(known["web_url"]),
            state=state,
            head_commit=str(known.get("sha") or ""),
            merge_commit=str(left or "") if merged else "",
            by=str(who.get("username") or ""),
            at=moment(known.get("merged_at") or known.get("closed_at")),
            conflicts=known.get("has_conflicts"),
        )

    @contextmanager
    def _talking(self, doing: str) -> Iterator[None]:
        """Turn what python-gitlab raises into words."""
        try:
            yield
        except GitlabError as error:
            said, status = str(error.error_message or ""), error.response_code or 500
            raise self._access.failure(status, said, doing=doing) from None
        except (KeyError, TypeError) as error:
            raise self._access.unclear() from error
        except requests.TooManyRedirects:
            raise self._access.failure(302, "", doing=doing) from None
        except requests.RequestException as error:
            raise self._access.away(error, doing=doing) from None
