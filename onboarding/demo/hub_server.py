"""The demo hub's two faces: enough of the Kubernetes API and of Argo CD's, on loopback."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from onboarding.demo.hub_store import ObjectStore, TooOld

KINDS: Mapping[str, tuple[str, str]] = {
    "applications": ("argoproj.io/v1alpha1", "Application"),
    "applicationsets": ("argoproj.io/v1alpha1", "ApplicationSet"),
    "externalsecrets": ("external-secrets.io/v1", "ExternalSecret"),
    "secretstores": ("external-secrets.io/v1", "SecretStore"),
}
"""Plural -> API version and kind, as the custom resources of the two projects define them."""

KUBERNETES_VERSION = "v1.34.4+demo"
ARGO_CD_VERSION = "v3.2.11+demo"
_BOOKMARK_SECONDS = 10.0
_WATCH_SECONDS = 300
_BODY_BYTES = 1024 * 1024


class Acting(Protocol):
    """What the server needs of the hub behind it."""

    store: ObjectStore
    name: str
    namespace: str
    uid: str

    def clusters(self) -> list[Mapping[str, Any]]:
        """The registered clusters as Argo CD's API gives them."""
        ...

    def look(self) -> None:
        """Read Git soon."""
        ...

    def annotate(
        self, name: str, annotations: Mapping[str, str | None]
    ) -> Mapping[str, Any] | None:
        """Merge annotations into an ApplicationSet; None where there is no such one."""
        ...


class DemoServer(ThreadingHTTPServer):
    """Serves one demo hub on 127.0.0.1."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, port: int, hub: Acting) -> None:
        """Bind to the port (0 chooses a free one); `serve_forever` starts."""
        self.hub = hub
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no event worth a stack trace."""


class _Answered(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "demo-hub"
    disable_nagle_algorithm = True
    server: DemoServer

    def do_GET(self) -> None:
        """Lists, watches, single objects and Argo CD's reads."""
        self._answer(self._get)

    def do_PATCH(self) -> None:
        """The refresh annotation of an ApplicationSet."""
        self._answer(self._patch)

    def do_POST(self) -> None:
        """Reviews of one's own rights."""
        self._answer(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo's terminal is for people."""

    def _answer(self, respond: Callable[[list[str], dict[str, str]], object]) -> None:
        address = urlsplit(self.path)
        path = [unquote(part) for part in address.path.split("/") if part]
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        try:
            document = respond(path, query)
            if document is not None:
                self._send(200, document)
        except _Answered as answer:
            self._send(answer.code, _status(answer.code, answer.reason, answer.message))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _get(self, path: list[str], query: dict[str, str]) -> object:
        hub = self.server.hub
        match path:
            case ["version"]:
                return {"major": "1", "minor": "34", "gitVersion": KUBERNETES_VERSION}
            case ["api", "version"]:
                return {"Version": ARGO_CD_VERSION}
            case ["api", "v1", "namespaces", name] if name == hub.namespace:
                return _namespace(hub)
            case ["api", "v1", "clusters"]:
                return {"metadata": {}, "items": hub.clusters()}
            case ["api", "v1", "applications", name]:
                return self._application(name, query)
            case ["apis", group, version, "namespaces", namespace, plural, *rest]:
                self._require(group, version, namespace, plural)
                if rest:
                    return self._object(plural, rest)
                if query.get("watch") in {"true", "1"}:
                    self._watch(plural, query)
                    return None
                return self._list(plural, query)
        raise _not_found()

    def _patch(self, path: list[str], _: dict[str, str]) -> object:
        body = self._body()
        match path:
            case ["apis", group, version, "namespaces", namespace, "applicationsets", name]:
                self._require(group, version, namespace, "applicationsets")
            case _:
                raise _Answered(405, "MethodNotAllowed", "the demo hub takes no other patch")
        if self.headers.get("Content-Type") != "application/merge-patch+json":
            raise _Answered(415, "UnsupportedMediaType", "use application/merge-patch+json")
        metadata = body.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
        if body != {"metadata": {"annotations": annotations}} or not isinstance(annotations, dict):
            raise _Answered(403, "Forbidden", "the demo hub takes annotations only")
        found = self.server.hub.annotate(name, annotations)
        if found is None:
            raise _not_found()
        self.server.hub.look()
        return found

    def _post(self, path: list[str], _: dict[str, str]) -> object:
        body = self._body()
        if path[-1:] != ["selfsubjectaccessreviews"]:
            raise _Answered(405, "MethodNotAllowed", "the demo hub takes no new objects")
        spec = body.get("spec")
        found = spec.get("resourceAttributes") if isinstance(spec, dict) else None
        asked: dict[str, Any] = found if isinstance(found, dict) else {}
        verbs = {"get", "list", "watch"} | (
            {"patch"} if asked.get("resource") == "applicationsets" else set()
        )
        allowed = asked.get("resource") in KINDS and asked.get("verb") in verbs
        return {**body, "status": {"allowed": allowed}}

    def _application(self, name: str, query: dict[str, str]) -> object:
        found = self.server.hub.store.get("applications", name)
        if found is None:
            raise _not_found()
        if query.get("refresh"):
            self.server.hub.look()
        return found

    def _object(self, plural: str, rest: list[str]) -> object:
        found = self.server.hub.store.get(plural, rest[0]) if len(rest) == 1 else None
        if found is None:
            raise _not_found()
        return found

    def _list(self, plural: str, query: dict[str, str]) -> object:
        after, version = _continued(query.get("continue", ""))
        limit = _number(query.get("limit", "0"))
        try:
            page = self.server.hub.store.page(plural, limit=limit, after=after, version=version)
        except TooOld as error:
            raise _expired("the continue parameter is too old") from error
        metadata: dict[str, object] = {"resourceVersion": str(page.version)}
        if page.last:
            token = json.dumps([page.last, page.version]).encode()
            metadata["continue"] = base64.urlsafe_b64encode(token).decode()
            metadata["remainingItemCount"] = page.remaining
        api, kind = KINDS[plural]
        return {
            "apiVersion": api,
            "kind": f"{kind}List",
            "metadata": metadata,
            "items": list(page.items),
        }

    def _watch(self, plural: str, query: dict[str, str]) -> None:
        store = self.server.hub.store
        version = _number(query.get("resourceVersion", "0"))
        if not version:
            version = store.page(plural, limit=1).version
        until = time.monotonic() + (_number(query.get("timeoutSeconds", "0")) or _WATCH_SECONDS)
        bookmarks = query.get("allowWatchBookmarks") in {"true", "1"}
        try:
            store.changes_after(plural, version, wait=0)
        except TooOld as error:
            raise _expired(f"too old resource version: {version}") from error
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._follow(plural, version, until=until, bookmarks=bookmarks)
        self.wfile.write(b"0\r\n\r\n")

    def _follow(self, plural: str, version: int, *, until: float, bookmarks: bool) -> None:
        store = self.server.hub.store
        marked = time.monotonic()
        while not store.closed:
            left = until - time.monotonic()
            try:
                changes, version = store.changes_after(
                    plural, version, wait=max(0.0, min(left, 1.0))
                )
            except TooOld:
                self._event("ERROR", _status(410, "Expired", "too old resource version"))
                return
            for change in changes:
                self._event(change.type, change.object)
            over = left <= 0
            if bookmarks and (over or time.monotonic() - marked > _BOOKMARK_SECONDS):
                marked = time.monotonic()
                api, kind = KINDS[plural]
                mark = {
                    "apiVersion": api,
                    "kind": kind,
                    "metadata": {"resourceVersion": str(version)},
                }
                self._event("BOOKMARK", mark)
            if over:
                return

    def _event(self, kind: str, item: Mapping[str, Any]) -> None:
        line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
        self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")

    def _require(self, group: str, version: str, namespace: str, plural: str) -> None:
        known = KINDS.get(plural)
        if known is None or known[0] != f"{group}/{version}":
            raise _not_found()
        if namespace != self.server.hub.namespace:
            raise _Answered(403, "Forbidden", f"cannot read {plural} in namespace {namespace}")

    def _body(self) -> dict[str, Any]:
        length = _number(self.headers.get("Content-Length") or "0")
        if length > _BODY_BYTES:
            self.close_connection = True
            raise _Answered(413, "RequestEntityTooLarge", "the body is too large")
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
        except ValueError as error:
            raise _Answered(400, "BadRequest", "the body is not JSON") from error
        if not isinstance(body, dict):
            raise _Answered(400, "BadRequest", "the body is not an object")
        return body

    def _send(self, code: int, document: object) -> None:
        content = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _namespace(hub: Acting) -> Mapping[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": hub.namespace,
            "uid": hub.uid,
            "annotations": {"fleet-ui.io/notice": "Demo hub"},
        },
        "status": {"phase": "Active"},
    }


def _status(code: int, reason: str, message: str) -> Mapping[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _not_found() -> _Answered:
    return _Answered(404, "NotFound", "the demo hub has no such thing")


def _expired(message: str) -> _Answered:
    return _Answered(410, "Expired", message)


def _continued(token: str) -> tuple[str, int | None]:
    if not token:
        return "", None
    try:
        name, version = json.loads(base64.urlsafe_b64decode(token))
        return str(name), int(version)
    except (ValueError, TypeError) as error:
        raise _Answered(400, "BadRequest", "the continue parameter is malformed") from error


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise _Answered(400, "BadRequest", f"{text[:40]!r} is not a number")
    return int(text)
