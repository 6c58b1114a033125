"""Gitea and Forgejo by their HTTP API: no library for it is well kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import requests

from onboarding.adapters.forge.access import SECONDS, ForgeAccess, check_state, moment, one_line
from onboarding.domain.reviews import (
    STATUS_NAME,
    CheckFacts,
    CheckState,
    PullRequestFacts,
    PullRequestState,
)

_PAGE = 50
_MOST_PAGES = 40
_STATES = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "warning": CheckState.PASSED,
    "pending": CheckState.RUNNING,
    "error": CheckState.FAILED,
    "failure": CheckState.FAILED,
}


class _OnlyToken(requests.auth.AuthBase):
    """The token as header; also keeps `requests` from looking for a password in ~/.netrc."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"token {self._token}"
        return request


class Gitea:
    """The port `Forge` for one project on Gitea or Forgejo."""

    def __init__(self, access: ForgeAccess) -> None:
        self._access = access
        self._project = "/".join(quote(part, safe="") for part in access.project.split("/"))

    def find(self, branch: str) -> PullRequestFacts | None:
        """The pull request of a branch, in whatever state: an open one first, else the newest."""
        target, head = quote(self._access.target, safe=""), quote(branch, safe="")
        doing = f"find the pull request of {branch}"
        found = self._ask("GET", f"/pulls/{target}/{head}", doing=doing, absent=True)
        if found is None or found.get("state") == "open" or found.get("merged"):
            return self._facts(found) if found else None
        # Of several, that question gives any; whether one is still open is what counts.
        for other in self._pages("/pulls?state=open", doing=doing):
            if other["head"]["ref"] == branch and other["base"]["ref"] == self._access.target:
                return self._facts(other)
        return self._facts(found)

    def open(self, branch: str, *, title: str, text: str) -> PullRequestFacts:
        """Ask for a branch to be merged; `Refused` where the forge has such a request already."""
        asked = {"head": branch, "base": self._access.target, "title": title, "body": text}
        doing = f"open a pull request for {branch}"
        return self._facts(self._ask("POST", "/pulls", asked, doing=doing) or {})

    def look(self, number: int) -> PullRequestFacts:
        """How a pull request stands now; `Refused` where there is none of that number."""
        found = self._ask("GET", f"/pulls/{number}", doing=f"read pull request {number}") or {}
        facts = self._facts(found)
        return self._with_closer(facts) if facts.state is PullRequestState.CLOSED else facts

    def close(self, number: int, *, why: str) -> None:
        """Close a pull request without a merge, and say why in a comment; a closed one stays so."""
        doing = f"close pull request {number}"
        if self.look(number).state is not PullRequestState.OPEN:
            return
        self._ask("POST", f"/issues/{number}/comments", {"body": why}, doing=doing)
        self._ask("PATCH", f"/pulls/{number}", {"state": "closed"}, doing=doing)

    def checks(self, commit: str) -> tuple[CheckFacts, ...]:
        """How the checks of a commit stand, without our own."""
        found = self._ask("GET", f"/commits/{commit}/status", doing="read the checks") or {}
        return tuple(
            CheckFacts(
                name=str(each.get("context", ""))[:100],
                state=check_state(str(each.get("status", "")), _STATES),
                url=str(each.get("target_url") or ""),
            )
            for each in found.get("statuses") or ()
            if each.get("context") != STATUS_NAME
        )

    def set_status(self, commit: str, *, passed: bool, text: str, url: str = "") -> None:
        """Set our own commit status, with one sentence and the page that says more, if any."""
        asked = {
            "context": STATUS_NAME,
            "state": "success" if passed else "failure",
            "description": one_line(text),
            **({"target_url": url} if url else {}),
        }
        self._ask("POST", f"/statuses/{commit}", asked, doing="set a commit status")

    def check(self) -> str:
        """Try the project and the rights of the token; one plain sentence about what was found."""
        found = self._ask("GET", "", doing="read the project") or {}
        rights = found.get("permissions") or {}
        if not rights.get("push"):
            raise self._access.may_not_write()
        return (
            f"Reached {self._access.project} on Gitea or Forgejo; the account may open pull "
            f"requests into {self._access.target}."
        )

    def _with_closer(self, facts: PullRequestFacts) -> PullRequestFacts:
        """Who closed it is told by the timeline alone."""
        path = f"/issues/{facts.number}/timeline"
        closings = [
            each
            for each in self._pages(path, doing=f"read the timeline of pull request {facts.number}")
            if each.get("type") == "close"
        ]
        if not closings:
            return facts
        by = str((closings[-1].get("user") or {}).get("login") or "")
        at = moment(closings[-1].get("created_at"))
        return PullRequestFacts(
            facts.number, facts.url, facts.state, facts.head_commit, by=by, at=at
        )

    def _facts(self, found: Mapping[str, Any]) -> PullRequestFacts:
        try:
            merged, closed = bool(found["merged"]), found["state"] == "closed"
            return PullRequestFacts(
                number=int(found["number"]),
                url=str(found["html_url"]),
                state=PullRequestState.MERGED
                if merged
                else PullRequestState.CLOSED
                if closed
                else PullRequestState.OPEN,
                head_commit=str(found["head"]["sha"]),
                merge_commit=str(found.get("merge_commit_sha") or "") if merged else "",
                by=str((found.get("merged_by") or {}).get("login") or ""),
                at=moment(found.get("merged_at") or found.get("closed_at")),
                conflicts=None if found.get("mergeable") is None else not found["mergeable"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise self._access.unclear() from error

    def _pages(self, path: str, *, doing: str) -> Iterator[Mapping[str, Any]]:
        joint = "&" if "?" in path else "?"
        for page in range(1, _MOST_PAGES + 1):
            found: Any = self._ask("GET", f"{path}{joint}limit={_PAGE}&page={page}", doing=doing)
            yield from found or ()
            if not found or len(found) < _PAGE:
                return

    def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        doing: str,
        absent: bool = False,
    ) -> dict[str, Any] | None:
        """One question; None where `absent` allows that there is nothing there."""
        access = self._access
        try:
            answer = requests.request(
                method,
                f"{access.url}/api/v1/repos/{self._project}{path}",
                json=body,
                auth=_OnlyToken(access.token()),
                timeout=SECONDS,
                verify=access.verify(),
                # A redirect would carry the token to an address that nobody configured.
                allow_redirects=False,
            )
            said = answer.json() if answer.content else {}
        except requests.exceptions.JSONDecodeError:
            said = {}
        except requests.RequestException as error:
            raise access.away(error, doing=doing) from error
        if answer.status_code == 404 and absent:
            return None
        if not 200 <= answer.status_code < 300:
            words = str(said.get("message") or "") if isinstance(said, dict) else ""
            raise access.failure(answer.status_code, words, doing=doing)
        return said
