"""The forges' adapters against scripted answers in each forge's own format.

These are stand-ins: what a real Gitea does is tested in tests/hub/test_pull_requests.py. The two
others have no server that could run here; their documented answers are what is scripted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from onboarding.adapters.forge import ForgeAccess, forge_of
from onboarding.domain.errors import Refused, Transient
from onboarding.domain.reviews import CheckState, ForgeKind, PullRequestState
from onboarding.ports import Forge
from tests.adapters.scripted_server import Asked, ScriptedServer, reply, scripted_server, status

TOKEN = "tok-5ecret"
SHA, MERGED = "a" * 40, "b" * 40
AT = "2026-03-02T09:00:00Z"


@dataclass(frozen=True)
class Dialect:
    """How one forge is spoken to: its addresses, and its way of telling a pull request."""

    kind: ForgeKind
    project: str
    pulls: str
    header: tuple[str, str]

    def pull(self, state: str, **more: Any) -> dict[str, Any]:
        if self.kind is ForgeKind.GITLAB:
            return {
                "iid": 7, "id": 70, "web_url": "https://forge/7", "sha": SHA, "has_conflicts": False,
                "state": {"open": "opened"}.get(state, state), "source_branch": "fleetui/x",
                "merge_commit_sha": MERGED if state == "merged" else None,
                "merge_user": {"username": "maria"} if state == "merged" else None,
                "closed_by": {"username": "maria"} if state == "closed" else None,
                "merged_at": AT if state == "merged" else None,
                "closed_at": AT if state == "closed" else None, **more,
            }  # fmt: skip
        return {
            "number": 7, "html_url": "https://forge/7", "head": {"sha": SHA, "ref": "fleetui/x"},
            "base": {"ref": "main"}, "state": "open" if state == "open" else "closed",
            "merged": state == "merged", "mergeable": True,
            "merged_at": AT if state == "merged" else None,
            "closed_at": None if state == "open" else AT,
            "merge_commit_sha": MERGED, "url": f"http://x/{self.pulls}/7",
            "merged_by": {"login": "maria"} if state == "merged" else None,
            "issue_url": "", **more,
        }  # fmt: skip


GITHUB = Dialect(
    ForgeKind.GITHUB,
    "/api/v3/repos/team/fleet",
    "/api/v3/repos/team/fleet/pulls",
    ("authorization", f"token {TOKEN}"),
)
GITLAB = Dialect(
    ForgeKind.GITLAB,
    "/api/v4/projects/team%2Ffleet",
    "/api/v4/projects/team%2Ffleet/merge_requests",
    ("private-token", TOKEN),
)
GITEA = Dialect(
    ForgeKind.GITEA,
    "/api/v1/repos/team/fleet",
    "/api/v1/repos/team/fleet/pulls",
    ("authorization", f"token {TOKEN}"),
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as running:
        yield running


@pytest.fixture(params=[GITHUB, GITLAB, GITEA], ids=lambda each: each.kind.value)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
def forge(dialect: Dialect, server: ScriptedServer, tmp_path: Path) -> Forge:
    return new_forge(dialect, server, tmp_path)


def new_forge(dialect: Dialect, server: ScriptedServer, folder: Path) -> Forge:
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    access = ForgeAccess(server.address, "team/fleet", "main", str(token))
    return forge_of(dialect.kind, access)


def find_path(dialect: Dialect) -> str:
    """Where a pull request is looked up by its branch."""
    by_branch = f"{dialect.pulls}/main/fleetui%2Fx"
    return by_branch if dialect.kind is ForgeKind.GITEA else dialect.pulls


def one(dialect: Dialect, pull: dict[str, Any]) -> Any:
    """The answer to that question."""
    return pull if dialect.kind is ForgeKind.GITEA else [pull]


def sent_token(dialect: Dialect, asked: Asked) -> str:
    headers = {name.lower(): value for name, value in asked.headers.items()}
    return headers.get(dialect.header[0], "")


def test_it_finds_none_where_there_is_none(
    dialect: Dialect, server: ScriptedServer, forge: Forge
) -> None:
    none = status(404) if dialect.kind is ForgeKind.GITEA else reply([])
    server.on("GET", find_path(dialect), none)
    assert forge.find("fleetui/x") is None


@pytest.mark.parametrize("state", ["open", "merged"])
def test_it_finds_one_by_its_branch(
    dialect: Dialect, server: ScriptedServer, forge: Forge, state: str
) -> None:
    server.on("GET", find_path(dialect), reply(one(dialect, dialect.pull(state))))
    found = forge.find("fleetui/x")
    assert found is not None
    assert (found.number, found.url, found.head_commit) == (7, "https://forge/7", SHA)
    assert found.state == PullRequestState(state)
    assert found.merge_commit == (MERGED if state == "merged" else "")
    asked = server.asked[-1]
    assert sent_token(dialect, asked) == dialect.header[1]
    assert TOKEN not in asked.path + str(asked.query), "the token is in no address"


def test_it_opens_one(dialect: Dialect, server: ScriptedServer, forge: Forge) -> None:
    server.on("POST", dialect.pulls, reply(dialect.pull("open"), code=201))
    assert forge.open("fleetui/x", title="Register: a", text="Why").number == 7
    sent = server.requests("POST", dialect.pulls)[0].body
    assert sent["title"] == "Register: a"
    assert {"fleetui/x", "main", "Why"} <= set(sent.values())


def test_it_reads_who_merged_it(dialect: Dialect, server: ScriptedServer, forge: Forge) -> None:
    server.on("GET", f"{dialect.pulls}/7", reply(dialect.pull("merged")))
    found = forge.look(7)
    assert (found.state, found.by, found.merge_commit) == ("merged", "maria", MERGED)
    assert found.at is not None
    assert found.at.isoformat() == "2026-03-02T09:00:00+00:00"


def test_it_reads_who_closed_it(dialect: Dialect, server: ScriptedServer, forge: Forge) -> None:
    issue = f"{server.address}{dialect.project}/issues/7"
    more = {"issue_url": issue} if dialect.kind is ForgeKind.GITHUB else {}
    server.on("GET", f"{dialect.pulls}/7", reply(dialect.pull("closed", **more)))
    server.on("GET", f"{dialect.project}/issues/7", reply({"closed_by": {"login": "maria"}}))
    closings = [{"type": "close", "user": {"login": "maria"}, "created_at": AT}]
    server.on("GET", f"{dialect.project}/issues/7/timeline", reply(closings))
    found = forge.look(7)
    assert (found.state, found.by, found.merge_commit) == ("closed", "maria", "")


def test_it_sets_our_status(dialect: Dialect, server: ScriptedServer, forge: Forge) -> None:
    path = f"{dialect.project}/statuses/{SHA}"
    server.on("POST", path, reply({"id": 1, "status": "failed", "state": "failure"}, code=201))
    forge.set_status(SHA, passed=False, text="x" * 300)
    sent = server.requests("POST", path)[0].body
    assert sent["state"] in ("failure", "failed")
    assert "fleet-ui/plan" in sent.values()
    assert len(sent["description"]) == 140
    assert "target_url" not in sent
    forge.set_status(SHA, passed=True, text="Yes", url="https://fleet.example.com/changes/1/")
    sent = server.requests("POST", path)[1].body
    assert sent["target_url"] == "https://fleet.example.com/changes/1/"


def test_it_reads_the_other_checks(dialect: Dialect, server: ScriptedServer, forge: Forge) -> None:
    said = [
        ("ci", "success"),
        ("scan", "pending"),
        ("lint", "failed"),
        ("fleet-ui/plan", "success"),
    ]
    statuses = [
        {
            "context": name, "name": name, "target_url": "https://ci", "url": "",
            "state": word.replace("failed", "failure"),
            "status": word if dialect.kind is ForgeKind.GITLAB else word.replace("failed", "failure"),
        }
        for name, word in said
    ]  # fmt: skip
    commits = f"{dialect.project}/commits/{SHA}"
    server.on("GET", f"{commits}/status", reply({"statuses": statuses}))
    server.on("GET", f"{dialect.project}/repository/commits/{SHA}/statuses", reply(statuses))
    run = {"name": "run", "conclusion": None, "html_url": "https://run", "status": "queued"}
    server.on("GET", f"{commits}/check-runs", reply({"total_count": 1, "check_runs": [run]}))
    found = {check.name: check.state for check in forge.checks(SHA)}
    extra = {"run": CheckState.RUNNING} if dialect.kind is ForgeKind.GITHUB else {}
    assert found == {
        "ci": CheckState.PASSED,
        "scan": CheckState.RUNNING,
        "lint": CheckState.FAILED,
        **extra,
    }


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        (401, Refused, "Put a current token"),
        (403, Refused, "needs to read team/fleet"),
        (404, Refused, "needs to read team/fleet"),
        (429, Transient, "tried again"),
        (502, Transient, "tried again"),
        (422, Refused, "answered 422"),
        (302, Refused, "answered 302"),
    ],
)
def test_it_says_what_went_wrong_without_the_token(
    dialect: Dialect,
    server: ScriptedServer,
    forge: Forge,
    code: int,
    error: type[Exception],
    words: str,
) -> None:
    elsewhere = {"location": f"{server.address}/elsewhere"} if code == 302 else {}
    server.on(
        "GET", f"{dialect.pulls}/7", reply({"message": f"no: {TOKEN}"}, code=code, **elsewhere)
    )
    if (code, dialect.kind) == (302, ForgeKind.GITHUB):
        error, words = Transient, "not understood"
    with pytest.raises(error, match=words) as caught:
        forge.look(7)
    assert TOKEN not in str(caught.value)
    assert not server.requests("GET", "/elsewhere"), "no redirect is followed with the token"


def test_it_says_that_a_forge_is_away(dialect: Dialect, tmp_path: Path) -> None:
    with scripted_server() as server:
        forge = new_forge(dialect, server, tmp_path)
    with pytest.raises(Transient, match="cannot be reached"):
        forge.look(7)


def test_it_needs_a_safe_address_and_a_token(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="https"):
        ForgeAccess("http://forge.example", "a/b", "main", "/token")
    with pytest.raises(Refused, match="needs a token"):
        ForgeAccess("https://forge.example", "a/b", "main", "")
    access = ForgeAccess("https://forge.example", "a/b", "main", str(tmp_path / "none"))
    with pytest.raises(Refused, match="cannot be read"):
        access.token()


@pytest.mark.parametrize(("may", "words"), [(True, "may open"), (False, "may not|less than")])
def test_it_tests_the_connection(
    dialect: Dialect, server: ScriptedServer, forge: Forge, may: bool, words: str
) -> None:
    rights = (
        {"project_access": {"access_level": 30 if may else 20}, "group_access": None}
        if dialect.kind is ForgeKind.GITLAB
        else {"push": may, "pull": True, "admin": False}
    )
    server.on("GET", dialect.project, reply({"permissions": rights, "id": 1, "name": "fleet"}))
    if may:
        assert words in forge.check()
    else:
        with pytest.raises(Refused, match=words):
            forge.check()
