"""An EKS hub: tokens that end after 15 minutes, under watches that go on, against a server that looks at them."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import time_machine

from onboarding.adapters.hub_access import EksToken, HubAccess
from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.domain.errors import Refused
from onboarding.ports import HubKind
from tests.adapters.scripted_server import Asked, ScriptedServer, reply, scripted_server, status

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
LIFE = timedelta(minutes=15)
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def signed_at(token: str) -> datetime:
    """When the request was signed that a token is made of."""
    encoded = token.removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    (stamp,) = parse_qs(urlsplit(url).query)["X-Amz-Date"]
    return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def token_of(asked: Asked) -> str:
    return asked.headers["authorization"].removeprefix("Bearer ")


class Eks:
    """Answers as an EKS cluster's API does: whoever comes with an old token is nobody."""

    def __init__(self, server: ScriptedServer) -> None:
        self.server = server
        self.more = threading.Event()
        server.on("GET", APPLICATIONS, self.answer)

    def answer(self, asked: Asked, handler: BaseHTTPRequestHandler) -> None:
        age = datetime.now(UTC) - signed_at(token_of(asked))
        if not timedelta(0) <= age < LIFE:
            status(401, "Unauthorized")(asked, handler)
        elif asked.query.get("watch"):
            self.watched(handler)
        else:
            page = {"metadata": {"resourceVersion": "1"}, "items": []}
            reply(page)(asked, handler)

    def watched(self, handler: BaseHTTPRequestHandler) -> None:
        """One event at once, a second one when it is time; the connection stays open between."""
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for version in (b"2", b"3"):
            event = (
                b'{"type":"ADDED","object":{"metadata":{"name":"a","uid":"u","resourceVersion":"'
                + version
                + b'"}}}\n'
            )
            handler.wfile.write(f"{len(event):x}\r\n".encode() + event + b"\r\n")
            handler.wfile.flush()
            self.more.wait(20)
        handler.wfile.write(b"0\r\n\r\n")


@pytest.fixture
def eks() -> Iterator[Eks]:
    with scripted_server() as server:
        yield Eks(server)


def hub_of(eks: Eks) -> KubernetesHub:
    """The product's own reader, as it is wired for EKS."""
    token = EksToken(
        cluster="hub-cluster",
        region="eu-west-1",
        session=lambda: boto3.Session("AKIDEXAMPLE", "secret-canary", region_name="eu-west-1"),
    )
    return KubernetesHub(HubAccess(eks.server.address, "argocd", token))


def test_a_watch_outlives_its_token_and_the_next_one_has_a_new_one(eks: Eks) -> None:
    """The machine's clock moves on by 16 minutes while a watch runs over HTTP."""
    with time_machine.travel(NOON) as clock:
        hub = hub_of(eks)
        hub.list_page(HubKind.APPLICATIONS, limit=1)
        watch = hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=60)
        assert next(watch).resource_version == "2"
        clock.shift(LIFE + timedelta(minutes=1))
        # Meanwhile others ask: with a token of now, or EKS would not know them.
        hub.list_page(HubKind.APPLICATIONS, limit=1)
        eks.more.set()
        assert [event.resource_version for event in watch] == ["3"]
        again = list(hub.watch(HubKind.APPLICATIONS, resource_version="3", timeout=60))
        assert len(again) == 2
        tokens = [token_of(asked) for asked in eks.server.requests("GET", APPLICATIONS)]
        assert tokens[0] == tokens[1]
        assert tokens[1] != tokens[2]
        assert tokens[2] == tokens[3]
        assert signed_at(tokens[2]) - signed_at(tokens[1]) >= LIFE
        hub.close()


def test_it_renews_before_the_end_and_signs_no_more_than_needed(eks: Eks) -> None:
    with time_machine.travel(NOON) as clock:
        hub = hub_of(eks)
        for _ in range(40):  # 40 minutes, asked every minute
            hub.list_page(HubKind.APPLICATIONS, limit=1)
            clock.shift(timedelta(minutes=1))
        asked = eks.server.requests("GET", APPLICATIONS)
        signed = {signed_at(token_of(one)) for one in asked}
        assert len(signed) == 4
        hub.close()


def test_an_old_token_is_refused_there_and_a_clock_that_was_put_back_signs_anew(eks: Eks) -> None:
    """That the server looks is shown with a token that is not renewed."""
    with time_machine.travel(NOON) as clock:
        stuck = EksToken(
            cluster="hub-cluster",
            region="eu-west-1",
            session=lambda: boto3.Session("AKIDEXAMPLE", "secret-canary", region_name="eu-west-1"),
            monotonic=lambda: 0.0,
            wall=lambda: 0.0,
        )
        hub = KubernetesHub(HubAccess(eks.server.address, "argocd", stuck))
        hub.list_page(HubKind.APPLICATIONS, limit=1)
        clock.shift(LIFE)
        with pytest.raises(Refused, match="does not accept the EKS token for hub-cluster"):
            hub.list_page(HubKind.APPLICATIONS, limit=1)
        fresh = hub_of(eks)
        fresh.list_page(HubKind.APPLICATIONS, limit=1)
        clock.shift(-timedelta(hours=2))
        fresh.list_page(HubKind.APPLICATIONS, limit=1)
        hub.close()
        fresh.close()


def test_the_renewal_goes_by_the_machines_sleep_too() -> None:
    """CLOCK_MONOTONIC stands still while a machine sleeps; the token ages all the same."""
    asleep = time.monotonic()
    source = EksToken(
        cluster="hub-cluster",
        region="eu-west-1",
        session=lambda: boto3.Session("AKIDEXAMPLE", "secret-canary", region_name="eu-west-1"),
        monotonic=lambda: asleep,
    )
    with time_machine.travel(NOON) as clock:
        first = source.token()
        assert source.token() is first
        clock.shift(timedelta(minutes=11))
        assert source.token() is not first
