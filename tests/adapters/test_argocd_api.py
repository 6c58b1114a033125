"""Argo CD's own API: what is kept of a cluster, what never is, and what each failure says."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onboarding.adapters.argocd_api import ArgoCDAccess, ArgoCDApi
from onboarding.adapters.hub_access import NoToken, TokenFile
from onboarding.domain.errors import Refused, Transient
from onboarding.ports import RegisteredCluster
from tests.adapters.scripted_server import (
    Answer,
    ScriptedServer,
    break_off,
    hang,
    reply,
    scripted_server,
    status,
)

CLUSTERS = "/api/v1/clusters"
CANARY = "eyJhbGciOiJSUzI1NiJ9.canary"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def argocd(server: ScriptedServer) -> ArgoCDApi:
    return ArgoCDApi(ArgoCDAccess(server.address, NoToken()), read_seconds=1)


SPOKE = {
    "server": "https://spoke.example.com",
    "name": "spoke-dev",
    "config": {"bearerToken": CANARY, "tlsClientConfig": {"insecure": False}},
    "connectionState": {"status": "Failed", "message": "old"},
    "info": {
        "connectionState": {
            "status": "Successful",
            "message": f"asked with Bearer {CANARY}",
            "attemptedAt": "2026-11-23T10:00:00Z",
        },
        "serverVersion": "1.34",
        "applicationsCount": "12",
    },
    "labels": {"addonsRelease": "default", "enable_metrics_server": "true", "bad": "{{ .config }}"},
    "annotations": {
        "addons_repo_url": "https://git.example.com/fleet.git",
        "fleet_repo_url": f"https://user:{CANARY}@git.example.com/fleet.git",
        "addons_repo_revision": CANARY,
        "kubectl.kubernetes.io/last-applied-configuration": CANARY,
    },
}


def test_it_keeps_what_is_known_of_a_cluster(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    server.on("GET", CLUSTERS, reply({"items": [SPOKE]}))
    assert argocd.clusters() == (
        RegisteredCluster(
            name="spoke-dev",
            server="https://spoke.example.com",
            labels={
                "addonsRelease": "default",
                "enable_metrics_server": "true",
                "argocd.argoproj.io/secret-type": "cluster",  # Argo CD itself leaves it out
            },
            annotations={"addons_repo_url": "https://git.example.com/fleet.git"},
            connection="Successful",
            connection_message="asked with ***",
            connected_at=dt.datetime(2026, 11, 23, 10, tzinfo=dt.UTC),
            applications=12,
            version="1.34",
        ),
    )


def test_it_never_keeps_a_credential(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    server.on("GET", CLUSTERS, reply({"items": [SPOKE]}))
    assert "canary" not in repr(argocd.clusters())


@pytest.mark.parametrize(
    "item",
    [None, "text", {}, {"server": 5}, {"server": ""}, {"name": "only a name"}],
)
def test_it_leaves_a_malformed_cluster_out(
    server: ScriptedServer, argocd: ArgoCDApi, item: object
) -> None:
    server.on("GET", CLUSTERS, reply({"items": [item, SPOKE]}))
    assert [each.name for each in argocd.clusters()] == ["spoke-dev"]


@pytest.mark.parametrize("attempted", ["soon", "0001-01-01T00:00:00+05:00", 7])
def test_it_reads_a_cluster_that_says_little(
    server: ScriptedServer, argocd: ArgoCDApi, attempted: object
) -> None:
    bare = {
        "server": "https://x",
        "labels": None,
        "annotations": ["no"],
        "info": {"connectionState": {"attemptedAt": attempted}, "applicationsCount": "many"},
    }
    server.on("GET", CLUSTERS, reply({"items": [bare]}))
    (found,) = argocd.clusters()
    assert (found.name, found.connection, found.connected_at, found.applications) == (
        "https://x",
        "Unknown",
        None,
        0,
    )


@pytest.mark.parametrize("answer", [{"items": None}, {}])
def test_it_knows_no_cluster(server: ScriptedServer, argocd: ArgoCDApi, answer: object) -> None:
    server.on("GET", CLUSTERS, reply(answer))
    assert argocd.clusters() == ()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (status(401), "unauthorized"),
        (status(403), "forbidden"),
        (status(404), "not_found"),
        (status(400), "rejected"),
        (reply({}, code=307, location="http://127.0.0.1:9/"), "rejected"),
    ],
)
def test_it_refuses_in_plain_words(
    server: ScriptedServer, argocd: ArgoCDApi, answer: Answer, code: str
) -> None:
    server.on("GET", CLUSTERS, answer)
    with pytest.raises(Refused) as refused:
        argocd.clusters()
    assert refused.value.refusals[0].code == code
    assert "secret-canary" not in str(refused.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        status(503),
        hang(3),
        break_off(b'{"items": ['),
        reply(b"<html>sign in</html>"),
        reply({"items": "no"}),
    ],
    ids=["503", "hang", "broken", "html", "no list"],
)
def test_it_calls_it_transient_when_another_try_may_help(
    server: ScriptedServer, argocd: ArgoCDApi, answer: Answer
) -> None:
    server.on("GET", CLUSTERS, answer)
    with pytest.raises(Transient):
        argocd.clusters()
    assert len(server.asked) == 1


def test_it_says_how_long_argo_cd_asks_to_wait(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    server.on("GET", CLUSTERS, status(429, retry_after="4"))
    with pytest.raises(Transient) as transient:
        argocd.clusters()
    assert transient.value.retry_after == 4.0


def test_it_sends_the_token_of_now(server: ScriptedServer, tmp_path: Path) -> None:
    server.on("GET", CLUSTERS, reply({"items": []}))
    file = tmp_path / "token"
    argocd = ArgoCDApi(ArgoCDAccess(server.address, TokenFile(str(file))))
    for token in ("first", "second"):
        file.write_text(token)
        argocd.clusters()
    assert [asked.headers["authorization"] for asked in server.asked] == [
        "Bearer first",
        "Bearer second",
    ]


def test_it_asks_for_a_refresh(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    server.on("GET", "/api/v1/applications/spoke-dev-metrics-server", reply({"metadata": {}}))
    argocd.refresh_application("spoke-dev-metrics-server")
    assert server.asked[0].query == {"refresh": "normal"}


def test_it_does_not_wait_for_the_comparison(
    server: ScriptedServer, argocd: ArgoCDApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onboarding.adapters.argocd_api._REFRESH_SECONDS", 0.2)
    server.on("GET", "/api/v1/applications/slow", hang(2))
    started = time.monotonic()
    argocd.refresh_application("slow")
    assert time.monotonic() - started < 1.5
    assert len(server.asked) == 1


def test_it_refuses_to_refresh_what_is_not_there(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    with pytest.raises(Refused, match="not found"):
        argocd.refresh_application("../clusters")
    assert server.asked[0].path == "/api/v1/applications/..%2Fclusters"


def test_it_says_that_all_is_well(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    server.on("GET", "/api/version", reply({"Version": "v3.2.11"}))
    server.on("GET", CLUSTERS, reply({"items": [SPOKE]}))
    assert argocd.check() == "Argo CD v3.2.11 answers and shows 1 registered cluster."


def test_it_says_when_the_token_may_see_nothing(server: ScriptedServer, argocd: ArgoCDApi) -> None:
    server.on("GET", "/api/version", reply({"Version": "v3.2.11"}))
    server.on("GET", CLUSTERS, reply({"items": None}))
    with pytest.raises(Refused, match="clusters, get"):
        argocd.check()


@pytest.mark.parametrize("url", ["http://argocd.example.com", "https://a:b@argocd.example.com", ""])
def test_it_refuses_an_address_that_is_not_safe(url: str) -> None:
    with pytest.raises(Refused):
        ArgoCDAccess(url, NoToken())
