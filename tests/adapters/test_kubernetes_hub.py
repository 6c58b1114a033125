"""The hub's Kubernetes API: pages, watches, and what each failure says."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest
import time_machine

from onboarding.adapters import kubernetes_transport
from onboarding.adapters.hub_access import EksToken, HubAccess, NoToken, TokenFile
from onboarding.adapters.kubernetes_hub import KubernetesHub
from onboarding.domain.errors import Refused, TooLarge, Transient
from onboarding.ports import HubEventType, HubKind, ListExpired
from tests.adapters.scripted_server import (
    Answer,
    ScriptedServer,
    break_off,
    hang,
    reply,
    scripted_server,
    status,
    stream,
)

APPLICATIONS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications"
SETS = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applicationsets"
EXTERNAL_SECRETS = "/apis/external-secrets.io/v1/namespaces/argocd/externalsecrets"
STORES = "/apis/external-secrets.io/v1/namespaces/argocd/secretstores"
EVENTS = "/api/v1/namespaces/argocd/events"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def hub(server: ScriptedServer) -> KubernetesHub:
    access = HubAccess(api_url=server.address, namespace="argocd", token=NoToken())
    return KubernetesHub(access, connect_seconds=1, read_seconds=1)


def application(name: str, version: str) -> dict[str, object]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}}


def page(*items: object, version: str = "10", more: str = "") -> Answer:
    return reply({"metadata": {"resourceVersion": version, "continue": more}, "items": list(items)})


def test_it_lists_page_by_page(server: ScriptedServer, hub: KubernetesHub) -> None:
    server.on(
        "GET", APPLICATIONS, page(application("a", "3"), more="t2"), page(application("b", "4"))
    )

    first = hub.list_page(HubKind.APPLICATIONS, limit=1)
    second = hub.list_page(HubKind.APPLICATIONS, limit=1, continue_token=first.continue_token)

    assert [first.items[0]["metadata"]["name"], second.items[0]["metadata"]["name"]] == ["a", "b"]
    assert (first.continue_token, second.continue_token) == ("t2", "")
    assert second.resource_version == "10"
    queries = [asked.query for asked in server.asked]
    assert queries == [{"limit": "1"}, {"limit": "1", "continue": "t2"}]


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (HubKind.APPLICATIONS, APPLICATIONS),
        (HubKind.APPLICATION_SETS, SETS),
        (HubKind.EXTERNAL_SECRETS, EXTERNAL_SECRETS),
        (HubKind.SECRET_STORES, STORES),
    ],
)
def test_it_asks_each_kind_at_its_api(
    server: ScriptedServer, hub: KubernetesHub, kind: HubKind, path: str
) -> None:
    server.on("GET", path, page(application("x", "1")))
    assert len(hub.list_page(kind, limit=10).items) == 1


def test_it_gives_an_empty_map_for_an_item_that_is_none(
    server: ScriptedServer, hub: KubernetesHub
) -> None:
    server.on("GET", APPLICATIONS, page(None, "text", application("a", "1")))
    assert [bool(item) for item in hub.list_page(HubKind.APPLICATIONS, limit=9).items] == [
        False,
        False,
        True,
    ]


def test_it_sends_the_token_of_now(server: ScriptedServer, tmp_path: Path) -> None:
    server.on("GET", APPLICATIONS, page())
    file = tmp_path / "token"
    file.write_text("first-token\n")
    hub = KubernetesHub(HubAccess(server.address, "argocd", TokenFile(str(file))))
    hub.list_page(HubKind.APPLICATIONS, limit=1)
    file.write_text("second-token")
    hub.list_page(HubKind.APPLICATIONS, limit=1)
    assert [asked.headers["authorization"] for asked in server.asked] == [
        "Bearer first-token",
        "Bearer second-token",
    ]


@pytest.mark.parametrize("content", [None, "", "two words", "line\nline", "x" * 70_000])
def test_it_refuses_a_file_that_holds_no_token(
    server: ScriptedServer, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    hub = KubernetesHub(HubAccess(server.address, "argocd", TokenFile(str(file))))
    with pytest.raises(Refused) as refused:
        hub.list_page(HubKind.APPLICATIONS, limit=1)
    assert refused.value.refusals[0].code == "no_token"
    assert str(file) in str(refused.value)
    assert server.asked == []


@pytest.mark.parametrize(
    ("answer", "code", "sentence"),
    [
        (status(401, "Unauthorized"), "unauthorized", "does not accept"),
        (
            status(403, "Forbidden"),
            "forbidden",
            "list applications.argoproj.io in namespace argocd",
        ),
        (status(404, "NotFound"), "not_found", "External Secrets Operator"),
        (status(400, "BadRequest"), "rejected", "HTTP 400"),
        (reply({}, code=302, location="http://127.0.0.1:9/"), "rejected", "HTTP 302"),
    ],
)
def test_it_refuses_in_plain_words(
    server: ScriptedServer, hub: KubernetesHub, answer: Answer, code: str, sentence: str
) -> None:
    server.on("GET", APPLICATIONS, answer)
    with pytest.raises(Refused) as refused:
        hub.list_page(HubKind.APPLICATIONS, limit=1)
    assert refused.value.refusals[0].code == code
    assert sentence in str(refused.value)
    assert "secret-canary" not in str(refused.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        status(500),
        status(503, retry_after="2"),
        hang(3),
        break_off(b'{"items": ['),
        reply(b"<html>not an api</html>"),
        reply({"metadata": {}}),
        reply(b"[" * 100_000),
    ],
    ids=["500", "503", "hang", "broken", "html", "no items", "deep"],
)
def test_it_calls_it_transient_when_another_try_may_help(
    server: ScriptedServer, hub: KubernetesHub, answer: Answer
) -> None:
    server.on("GET", APPLICATIONS, answer)
    with pytest.raises(Transient):
        hub.list_page(HubKind.APPLICATIONS, limit=1)
    assert len(server.asked) == 1


def test_it_says_how_long_the_hub_asks_to_wait(server: ScriptedServer, hub: KubernetesHub) -> None:
    server.on("GET", APPLICATIONS, status(429, "TooManyRequests", retry_after="7"))
    with pytest.raises(Transient) as transient:
        hub.list_page(HubKind.APPLICATIONS, limit=1)
    assert transient.value.retry_after == 7.0


@pytest.mark.parametrize(
    "answer",
    [
        status(410, "Expired"),
        status(504, "Timeout", details={"causes": [{"reason": "ResourceVersionTooLarge"}]}),
    ],
    ids=["gone", "the hub was restored"],
)
def test_it_says_when_a_list_has_expired(
    server: ScriptedServer, hub: KubernetesHub, answer: Answer
) -> None:
    server.on("GET", APPLICATIONS, answer)
    with pytest.raises(ListExpired):
        hub.list_page(HubKind.APPLICATIONS, limit=1, continue_token="old")


def test_it_calls_a_closed_port_transient() -> None:
    with scripted_server() as script:
        address = script.address
    hub = KubernetesHub(HubAccess(address, "argocd", NoToken()), connect_seconds=1)
    with pytest.raises(Transient, match="does not answer"):
        hub.list_page(HubKind.APPLICATIONS, limit=1)


def test_it_watches_with_bookmarks(server: ScriptedServer, hub: KubernetesHub) -> None:
    event = {"type": "MODIFIED", "object": application("a", "12")}
    text = json.dumps(event).encode()
    server.on(
        "GET",
        APPLICATIONS,
        stream(
            {"type": "ADDED", "object": application("a", "11")},
            text[:20],
            text[20:] + b"\n\n",
            {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}},
            {"type": "DELETED", "object": application("a", "100")},
        ),
    )
    events = list(hub.watch(HubKind.APPLICATIONS, resource_version="10", timeout=5))
    assert [(each.type, each.resource_version) for each in events] == [
        (HubEventType.ADDED, "11"),
        (HubEventType.MODIFIED, "12"),
        (HubEventType.BOOKMARK, "99"),
        (HubEventType.DELETED, "100"),
    ]
    assert server.asked[0].query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "10",
        "timeoutSeconds": "5",
    }


def test_it_gives_an_event_at_once(server: ScriptedServer, hub: KubernetesHub) -> None:
    server.on(
        "GET", APPLICATIONS, stream({"type": "ADDED", "object": application("a", "11")}, silent=3)
    )
    started = time.monotonic()
    events = hub.watch(HubKind.APPLICATIONS, resource_version="10", timeout=5)
    assert next(events).resource_version == "11"
    assert time.monotonic() - started < 1.5
    hub.close()


@pytest.mark.parametrize("answer", ["status", "event"])
def test_it_says_when_a_watch_has_expired(
    server: ScriptedServer, hub: KubernetesHub, answer: str
) -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
    added = {"type": "ADDED", "object": application("a", "11")}
    server.on(
        "GET", APPLICATIONS, status(410, "Gone") if answer == "status" else stream(added, gone)
    )
    seen: list[str] = []
    events = hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=5)
    with pytest.raises(ListExpired):
        seen.extend(event.resource_version for event in events)
    assert seen == ([] if answer == "status" else ["11"])


@pytest.mark.parametrize(
    ("part", "family"),
    [
        ({"type": "ERROR", "object": {"code": 500, "reason": "InternalError"}}, Transient),
        ({"type": "ERROR", "object": None}, Transient),
        ({"type": "ERROR", "object": {"code": 403, "reason": "Forbidden"}}, Refused),
        ({"type": "SURPRISE", "object": {}}, Transient),
        (b'{"type": "ADDED", "obj\n', Transient),
        (b"[1]\n", Transient),
    ],
)
def test_it_converts_a_bad_event(
    server: ScriptedServer, hub: KubernetesHub, part: object, family: type[Exception]
) -> None:
    server.on("GET", APPLICATIONS, stream(part))
    with pytest.raises(family):
        list(hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=5))


def test_it_reads_an_event_of_the_largest_size(server: ScriptedServer, hub: KubernetesHub) -> None:
    status = {"resources": ["r" * 1000] * 3000, "health": {"status": "Healthy"}}
    huge = {**application("a", "2"), "status": status}
    server.on("GET", APPLICATIONS, stream({"type": "ADDED", "object": huge}))
    events = list(hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=5))
    assert events[0].object == {**application("a", "2"), "status": {"health": status["health"]}}


def test_it_stops_at_an_event_without_end(server: ScriptedServer, hub: KubernetesHub) -> None:
    server.on("GET", APPLICATIONS, stream(*[b"x" * 1024 * 1024] * 18))
    with pytest.raises(Transient, match="larger than 16 MiB"):
        list(hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=5))


def test_a_page_that_is_too_large_says_that_fewer_should_be_asked_for(
    server: ScriptedServer, hub: KubernetesHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubernetes_transport, "_ANSWER_BYTES", 1024 * 1024)
    large = {**application("a", "1"), "spec": {"padding": "x" * 1024 * 1024}}
    server.on("GET", APPLICATIONS, page(large))
    with pytest.raises(TooLarge, match="larger than 1 MiB"):
        hub.list_page(HubKind.APPLICATIONS, limit=500)


def test_it_notices_a_half_open_watch(
    server: ScriptedServer, hub: KubernetesHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onboarding.adapters.kubernetes_hub._WATCH_GRACE_SECONDS", 0.2)
    server.on(
        "GET", APPLICATIONS, stream({"type": "ADDED", "object": application("a", "2")}, silent=9)
    )
    started = time.monotonic()
    with pytest.raises(Transient, match="broke off"):
        list(hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=1))
    assert time.monotonic() - started < 3


def test_it_ends_a_waiting_watch_from_another_thread(
    server: ScriptedServer, hub: KubernetesHub
) -> None:
    server.on(
        "GET", APPLICATIONS, stream({"type": "ADDED", "object": application("a", "2")}, silent=9)
    )
    seen: list[str] = []
    arrived = threading.Event()

    def follow() -> None:
        for event in hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=8):
            seen.append(event.resource_version)
            arrived.set()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    assert arrived.wait(3)
    hub.close()
    thread.join(2)
    assert not thread.is_alive()
    assert seen == ["2"]
    assert list(hub.watch(HubKind.APPLICATIONS, resource_version="1", timeout=8)) == []


def test_it_gives_the_newest_warning_about_an_object(
    server: ScriptedServer, hub: KubernetesHub
) -> None:
    def said(message: str, **times: object) -> dict[str, object]:
        created = {"creationTimestamp": "2026-01-01T00:00:00Z"}
        return {"message": message, "metadata": created, **times}

    events = [
        said("older", lastTimestamp="2026-01-31T12:00:00Z"),
        said("newest", lastTimestamp=None, series={"lastObservedTime": "2026-01-31T12:02:00.5Z"}),
        said("old", eventTime="2026-01-31T12:01:00.000001Z"),
        said("first"),
        None,
    ]
    server.on("GET", EVENTS, page(*events), page(), status(403))

    assert hub.complaint(HubKind.EXTERNAL_SECRETS, "cluster-a") == "newest"
    assert hub.complaint(HubKind.EXTERNAL_SECRETS, "cluster-a") == ""
    with pytest.raises(Refused, match="list events in namespace argocd"):
        hub.complaint(HubKind.EXTERNAL_SECRETS, "cluster-a")
    about = "involvedObject.kind=ExternalSecret,involvedObject.name=cluster-a,type=Warning"
    assert server.asked[0].query == {"fieldSelector": about, "limit": "100"}


def test_it_asks_an_application_set_to_look(server: ScriptedServer, hub: KubernetesHub) -> None:
    answer = reply({"metadata": {"resourceVersion": "71"}})
    server.on("PATCH", f"{SETS}/fleet-registration", answer)
    with time_machine.travel("2026-01-31T12:30:00+00:00", tick=False):
        assert hub.ask_application_set_to_look("fleet-registration") == "71"
    asked = server.asked[0]
    assert asked.headers["content-type"] == "application/merge-patch+json"
    time = {"argocd.argoproj.io/application-set-refresh": "2026-01-31T12:30:00.000Z"}
    assert asked.body == {"metadata": {"annotations": time}}


def test_each_request_to_look_is_a_change(server: ScriptedServer, hub: KubernetesHub) -> None:
    """Argo CD leaves the annotation where the set failed, and looks only when it changes."""
    server.on("PATCH", f"{SETS}/fleet-registration", reply({"metadata": {}}))
    for moment in ("2026-01-31T12:30:00+00:00", "2026-01-31T12:30:05+00:00"):
        with time_machine.travel(moment, tick=False):
            hub.ask_application_set_to_look("fleet-registration")
    first, second = (asked.body for asked in server.asked)
    assert first != second


def test_it_names_the_right_that_a_patch_lacks(server: ScriptedServer, hub: KubernetesHub) -> None:
    server.on("PATCH", f"{SETS}/addons", status(403, "Forbidden"))
    with pytest.raises(Refused, match=r"patch applicationsets\.argoproj\.io addons"):
        hub.ask_application_set_to_look("addons")


def test_it_cannot_be_led_to_another_path(server: ScriptedServer, hub: KubernetesHub) -> None:
    with pytest.raises(Refused):
        hub.ask_application_set_to_look("../secrets/admin?x=1")
    assert server.asked[0].path == f"{SETS}/..%2Fsecrets%2Fadmin%3Fx%3D1"


def test_it_is_identified_by_the_namespace(server: ScriptedServer, hub: KubernetesHub) -> None:
    server.on("GET", "/api/v1/namespaces/argocd", reply({"metadata": {"uid": "5f1c"}}), reply({}))
    assert hub.identity() == "5f1c"
    with pytest.raises(Transient):
        hub.identity()


def ready_for_check(server: ScriptedServer) -> None:
    server.on("GET", "/version", reply({"gitVersion": "v1.34.4"}))
    server.on("GET", "/api/v1/namespaces/argocd", reply({"metadata": {"uid": "5f1c"}}))
    for path in (APPLICATIONS, SETS, EXTERNAL_SECRETS, STORES):
        server.on("GET", path, page())
    server.on("POST", REVIEWS, reply({"status": {"allowed": True}}))


def test_it_says_that_all_is_well(server: ScriptedServer, hub: KubernetesHub) -> None:
    ready_for_check(server)
    assert hub.check().startswith("Kubernetes v1.34.4 answers. ")
    verbs = [
        (
            asked.body["spec"]["resourceAttributes"]["verb"],
            asked.body["spec"]["resourceAttributes"]["resource"],
        )
        for asked in server.requests("POST", REVIEWS)
    ]
    assert verbs == [
        ("watch", "applications"),
        ("watch", "applicationsets"),
        ("patch", "applicationsets"),
        ("watch", "externalsecrets"),
        ("watch", "secretstores"),
    ]
    assert not [asked for asked in server.asked if asked.path.endswith("/secrets")]


def test_it_lists_every_right_that_is_missing(server: ScriptedServer, hub: KubernetesHub) -> None:
    ready_for_check(server)
    server.on("GET", EXTERNAL_SECRETS, status(403, "Forbidden"))
    server.on(
        "POST",
        REVIEWS,
        reply({"status": {"allowed": True}}),
        reply({"status": {"allowed": True}}),
        reply({"status": {"allowed": False}}),
        reply({"status": {"allowed": True}}),
    )
    with pytest.raises(Refused) as refused:
        hub.check()
    messages = [refusal.message for refusal in refused.value.refusals]
    assert len(messages) == 2
    assert "patch applicationsets.argoproj.io" in messages[0]
    assert "list externalsecrets.external-secrets.io" in messages[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://hub.example.com",
        "https://user:pass@hub.example.com",
        "ftp://127.0.0.1",
        "https://hub.example.com/?token=x",
        "not an address",
        "",
    ],
)
def test_it_refuses_an_address_that_is_not_safe(url: str) -> None:
    with pytest.raises(Refused):
        HubAccess(url, "argocd", NoToken())


def certificate(folder: Path) -> tuple[ssl.SSLContext, str]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hub")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "ca.pem").write_bytes(pem)
    (folder / "both.pem").write_bytes(pem + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context, pem.decode()


def test_it_trusts_only_the_given_authority(tmp_path: Path) -> None:
    context, pem = certificate(tmp_path)
    with scripted_server(context) as server:
        server.on("GET", "/version", reply({"gitVersion": "v1.34.4"}))
        by_file = HubAccess(server.address, "argocd", NoToken(), ca_file=str(tmp_path / "ca.pem"))
        by_text = HubAccess(server.address, "argocd", NoToken(), ca_data=pem)
        stranger = HubAccess(server.address, "argocd", NoToken())
        assert KubernetesHub(by_file).version() == "v1.34.4"
        assert KubernetesHub(by_text).version() == "v1.34.4"
        with pytest.raises(Refused) as refused:
            KubernetesHub(stranger).version()
    assert refused.value.refusals[0].code == "tls"


def test_it_makes_eks_tokens_and_renews_them() -> None:
    import boto3

    moment = [0.0]
    source = EksToken(
        cluster="hub-cluster",
        region="eu-west-1",
        session=lambda: boto3.Session("AKIDEXAMPLE", "secret-canary", region_name="eu-west-1"),
        monotonic=lambda: moment[0],
    )
    first = source.token()
    assert first.startswith("k8s-aws-v1.")
    encoded = first.removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    assert "Action=GetCallerIdentity" in url
    assert "x-k8s-aws-id" in url
    assert "X-Amz-Expires=60" in url
    assert "secret-canary" not in url
    moment[0] = 599.0
    assert source.token() is first
    moment[0] = 600.0
    assert source.token() is not first


def test_it_says_that_aws_credentials_are_missing() -> None:
    class Nobody:
        events = None

        def client(self, *_: object, **__: object) -> object:
            return object()

        def get_credentials(self) -> None:
            return None

    source = EksToken(cluster="hub-cluster", region="eu-west-1", session=Nobody)
    with pytest.raises(Refused) as refused:
        source.token()
    assert refused.value.refusals[0].code == "no_aws_credentials"
