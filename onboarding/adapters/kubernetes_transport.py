"""Requests to a Kubernetes API by the official client's connection, and its errors in plain words.

The client's generated classes are not used: touching them costs seconds and a hundred mebibytes,
and they decode what nobody needs. Its connection, TLS and error classes are, imported when the
first hub is reached.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from onboarding.adapters.hub_access import HubAccess, is_loopback
from onboarding.domain.errors import Refused, TooLarge, Transient
from onboarding.ports import ListExpired

_ANSWER_SECONDS = 120.0
_ANSWER_BYTES = 128 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024

Query = list[tuple[str, str]]


class KubernetesTransport:
    """One API server: sends a request, bounds its answer, converts its errors. Safe for threads."""

    def __init__(self, access: HubAccess, *, connect_seconds: float, read_seconds: float) -> None:
        """Prepare, without connecting. `read_seconds` bounds the silence between two packets."""
        self.access = access
        self._connect_seconds = connect_seconds
        self._read_seconds = read_seconds
        self._rest = _rest_client(access)

    def json(
        self, method: str, path: str, *, doing: str, query: Query | None = None, body: object = None
    ) -> Mapping[str, Any]:
        """The answer as a map. `doing` names the right that is used, such as "list applications".

        Raises `ListExpired` on 410, `Refused` where an administrator must act, else `Transient`.
        """
        content = self.content(method, path, doing=doing, query=query, body=body)
        try:
            return as_map(json.loads(content))
        except (ValueError, RecursionError) as error:
            raise self.not_json(doing) from error

    def content(
        self, method: str, path: str, *, doing: str, query: Query | None = None, body: object = None
    ) -> bytes:
        """The answer's bytes, bounded in size and time; errors as in `json`."""
        response = self.send(method, path, doing=doing, query=query, body=body)
        until = time.monotonic() + _ANSWER_SECONDS
        parts, size = list[bytes](), 0
        try:
            for chunk in self.chunks(response, until=until, doing=doing):
                parts.append(chunk)
                size += len(chunk)
                if size > _ANSWER_BYTES:
                    raise TooLarge(
                        f"The hub's answer to {doing} is larger than {_ANSWER_BYTES >> 20} MiB."
                    )
            response.release_conn()
            return b"".join(parts)
        except Transient:
            response.close()
            raise

    def not_json(self, doing: str) -> Transient:
        """The error for an answer that no Kubernetes API gives."""
        return Transient(
            f"The hub's answer to {doing} is not JSON. Is {self.access.api_url} a Kubernetes API?"
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        doing: str,
        query: Query | None = None,
        body: object = None,
        read_seconds: float | None = None,
    ) -> Any:
        """Send one request and return the open response; errors as in `json`."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return self._rest.request(
                method,
                self.access.api_url.rstrip("/") + path,
                query_params=query,
                headers=self._headers(method, streaming=read_seconds is not None),
                body=body,
                _preload_content=False,
                _request_timeout=(self._connect_seconds, read_seconds or self._read_seconds),
            )
        except ApiException as error:
            if not error.status:
                raise self._untrusted() from error
            retry_after = (error.headers or {}).get("Retry-After")
            try:
                self.convert(
                    error.status, _status(error.body), doing=doing, retry_after=retry_after
                )
            except (Refused, Transient, ListExpired) as converted:
                raise converted from error
        except HTTPError as error:
            if "certificate verify failed" in str(error):
                raise self._untrusted() from error
            raise Transient(
                f"The hub's Kubernetes API at {self.access.api_url} does not answer ({doing})."
            ) from error

    def chunks(
        self,
        response: Any,
        *,
        until: float,
        doing: str,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Iterator[bytes]:
        """The answer's bytes as they come, until monotonic time `until`.

        Raises `Transient` where the connection breaks, falls silent or takes too long; ends quietly
        where `stopped()` says that we broke it ourselves.
        """
        from urllib3.exceptions import HTTPError

        while True:
            try:
                chunk = response.read1(_CHUNK_BYTES)
            except (HTTPError, OSError, ValueError, AttributeError) as error:
                if stopped():
                    return
                raise Transient(f"The hub's answer to {doing} broke off.") from error
            if not chunk:
                return
            yield chunk
            if time.monotonic() > until:
                raise Transient(f"The hub's answer to {doing} took too long.")

    def convert(
        self, code: int, status: Mapping[str, Any], *, doing: str, retry_after: str | None = None
    ) -> NoReturn:
        """Raise what an HTTP status code and its Kubernetes `Status` object mean to us."""
        reason = str(status.get("reason") or "")
        if code == 410 or reason in {"Expired", "Gone"} or _ahead_of_hub(status):
            raise ListExpired(f"The hub no longer has that version ({doing}).")
        if code == 401:
            raise Refused(
                f"The hub's Kubernetes API at {self.access.api_url} does not accept "
                f"{self.access.token.describe()}. Renew it.",
                code="unauthorized",
            )
        if code == 403:
            raise Refused(self.forbidden(doing), code="forbidden")
        if code == 404:
            raise Refused(
                f"The hub answers 'not found' to {doing} in namespace {self.access.namespace}. "
                "Check the namespace, and that Argo CD and the External Secrets Operator run.",
                code="not_found",
            )
        if code == 429 or code >= 500:
            raise Transient(
                f"The hub is overloaded or away (HTTP {code}) for {doing}.",
                retry_after=_seconds(retry_after),
            )
        raise Refused(
            f"The hub refuses to {doing} (HTTP {code} {reason:.60}). Check its address.",
            code="rejected",
        )

    def forbidden(self, doing: str) -> str:
        """The sentence for a right that is missing."""
        return (
            f"The hub does not allow this installation to {doing} in namespace "
            f"{self.access.namespace}. Add that right to its Role on the hub."
        )

    def _headers(self, method: str, *, streaming: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "fleet-ui"}
        if not streaming:
            headers["Accept-Encoding"] = "gzip"
        if method == "PATCH":
            headers["Content-Type"] = "application/merge-patch+json"
        if token := self.access.token.token():
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _untrusted(self) -> Refused:
        return Refused(
            f"The certificate of the hub's Kubernetes API at {self.access.api_url} is not trusted. "
            "Configure the hub's certificate authority.",
            code="tls",
        )


def as_map(value: object) -> Mapping[str, Any]:
    """The value where it is a map, else an empty one: a hub may answer anything."""
    return value if isinstance(value, dict) else {}


def _rest_client(access: HubAccess) -> Any:
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject
    from urllib3.util.retry import Retry

    configuration = Configuration(host=access.api_url)
    configuration.ssl_ca_cert = access.ca_file or None
    # Trying again belongs to the caller, who knows what is at stake; an API server never redirects.
    configuration.retries = Retry(
        total=False, redirect=0, raise_on_redirect=False, raise_on_status=False
    )
    configuration.socket_options = _socket_options()
    if is_loopback(urlsplit(access.api_url).hostname or ""):
        configuration.proxy = None
    client = RESTClientObject(configuration)
    if access.ca_data:
        # The client takes files only; its pool takes the text, so nothing is written to disk.
        client.pool_manager.connection_pool_kw["ca_cert_data"] = access.ca_data
    return client


def _socket_options() -> list[tuple[int, int, int]]:
    options = [
        (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    ]
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):  # systems differ; without them the read timeout still holds
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def _status(body: object) -> Mapping[str, Any]:
    try:
        return as_map(json.loads(body)) if isinstance(body, (bytes, str)) else {}
    except ValueError:
        return {}


def _ahead_of_hub(status: Mapping[str, Any]) -> bool:
    # Our version is newer than the hub's own: the hub was restored from a backup.
    causes = as_map(status.get("details")).get("causes")
    return isinstance(causes, list) and any(
        as_map(cause).get("reason") == "ResourceVersionTooLarge" for cause in causes
    )


def _seconds(text: str | None) -> float | None:
    return min(float(text), 300.0) if text and text.isascii() and text.isdigit() else None
