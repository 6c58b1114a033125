"""Argo CD's own API: what it knows of the registered clusters, with a read-only token.

Kubernetes cannot grant "the labels of Secrets, not their content"; Argo CD's `clusters` API can: it
leaves the credentials out. What it still sends of a cluster's `config` is dropped here, unread.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from onboarding.adapters.hub_access import TokenSource, is_loopback, require_safe_url
from onboarding.domain.errors import Refused, Transient
from onboarding.ports import RegisteredCluster

KNOWN_ANNOTATIONS = frozenset(
    f"{group}_repo_{part}"
    for group in ("addons", "resources", "monitoring", "fleet", "workload", "gitops")
    for part in ("url", "revision", "basepath", "path")
) | frozenset(
    {
        "argocd.argoproj.io/skip-reconcile",
        "aws_cluster_name",
        "aws_region",
        "cluster_name",
        "environment",
        "fleet_aws_region",
        "fleet_github_secret",
        "fleet_github_secret_name",
        "tenant",
    }
)
"""The annotations of a cluster secret that may be kept: where configuration is read, and names.

Any other may hold anything, a token too: `kubectl apply` put whole Secrets into one
(CVE-2023-40029).
"""

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 20.0
_ANSWER_SECONDS = 60.0
_ANSWER_BYTES = 64 * 1024 * 1024
# Argo CD answers a refresh when the comparison is done; that it was asked is all that counts.
_REFRESH_SECONDS = 3.0
# Argo CD lists the Secrets that carry this label, and leaves it out of each (db.SecretToCluster).
_LEFT_OUT = {"argocd.argoproj.io/secret-type": "cluster"}
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_ANNOTATION_LENGTH = 500
_MESSAGE_LENGTH = 1000
# A connection message may quote the request that failed.
_TOKEN_LIKE = re.compile(
    r"(?i)bearer\s+\S+|k8s-aws-v1\.\S+|\beyJ[\w-]{10,}(?:\.[\w-]+)*|//[^/\s@]+@"
)


class _Clusters(msgspec.Struct):
    items: list[msgspec.Raw] | None = None


_CLUSTERS = msgspec.json.Decoder(_Clusters)


@dataclass(frozen=True, slots=True)
class ArgoCDAccess:
    """How Argo CD's API server is reached.

    `url` is https (http on loopback only), with a base path where Argo CD has one; `token` is a
    source, never the token; `ca_file` the certificate authority ("" for the system's);
    `annotations` the keys that may be kept of a cluster.
    """

    url: str
    token: TokenSource
    ca_file: str = ""
    annotations: frozenset[str] = field(default=KNOWN_ANNOTATIONS)

    def __post_init__(self) -> None:
        require_safe_url(self.url, what="Argo CD")


class ArgoCDApi:
    """One Argo CD (port `ArgoCD`). Safe to be used by several threads."""

    def __init__(self, access: ArgoCDAccess, *, read_seconds: float = _READ_SECONDS) -> None:
        """Prepare, without connecting; the first request does."""
        self._access = access
        self._read_seconds = read_seconds
        self._pool = _pool(access)

    def clusters(self) -> tuple[RegisteredCluster, ...]:
        """All registered clusters that the token may see, by name; a malformed one is left out.

        Raises `Refused` where the token or the address is wrong, `Transient` where Argo CD is away.
        """
        content = self._content("/api/v1/clusters", doing="list clusters")
        try:
            # One by one: ten thousand clusters as maps are a hundred megabytes at once.
            items = _CLUSTERS.decode(content).items
            found = [self._cluster(_map(json.loads(bytes(item)))) for item in items or ()]
        except msgspec.ValidationError as error:
            raise Transient("Argo CD's answer to list clusters has no items.") from error
        except (ValueError, RecursionError) as error:
            raise self._not_json("list clusters") from error
        return tuple(sorted((each for each in found if each), key=lambda each: each.name))

    def refresh_application(self, name: str) -> None:
        """Ask Argo CD to compare one Application with Git now; does not wait for the comparison.

        Raises `Refused` where there is no such Application, `Transient` where Argo CD is away.
        """
        from urllib3.exceptions import ReadTimeoutError

        path = f"/api/v1/applications/{quote(name, safe='')}?refresh=normal"
        try:
            response = self._send(path, doing=f"get the Application {name}", read=_REFRESH_SECONDS)
        except Transient as error:
            if isinstance(error.__cause__, ReadTimeoutError):
                return
            raise
        response.close()

    def check(self) -> str:
        """Try the API and the token; one sentence, or `Refused` where no cluster can be seen."""
        version = str(self._json("/api/version", doing="read the version").get("Version") or "")
        count = len(self.clusters())
        if not count:
            # Argo CD leaves out what a token may not see, instead of refusing; the hub itself is
            # always there.
            raise Refused(
                f"Argo CD {version[:40]} accepts the token but shows it no cluster. Give its "
                "account the policy 'clusters, get, *' and 'applications, get, *'.",
                code="forbidden",
            )
        noun = "cluster" if count == 1 else "clusters"
        return f"Argo CD {version[:40]} answers and shows {count} registered {noun}."

    def _cluster(self, item: Mapping[str, Any]) -> RegisteredCluster | None:
        server, name = item.get("server"), item.get("name")
        if not isinstance(server, str) or not server:
            return None
        information = _map(item.get("info"))
        # Since 2.0 the state is in `info`; the outer one is kept by Argo CD for older clients.
        state = _map(information.get("connectionState")) or _map(item.get("connectionState"))
        count = information.get("applicationsCount")
        return RegisteredCluster(
            name=str(name or server)[:253],
            server=server[:500],
            # Most clusters have the same keys and values: one of each is kept.
            labels={
                sys.intern(key): sys.intern(value)
                for key, value in _texts(item.get("labels"))
                if _LABEL_VALUE.fullmatch(value)
            }
            | _LEFT_OUT,
            annotations={
                key: value[:_ANNOTATION_LENGTH]
                for key, value in _texts(item.get("annotations"))
                if key in self._access.annotations and not _TOKEN_LIKE.search(value)
            },
            connection=str(state.get("status") or "Unknown")[:20],
            connection_message=_TOKEN_LIKE.sub("***", str(state.get("message") or ""))[
                :_MESSAGE_LENGTH
            ],
            connected_at=_moment(state.get("attemptedAt")),
            applications=int(count)
            if isinstance(count, (int, str)) and str(count).isascii() and str(count).isdigit()
            else 0,
            version=str(information.get("serverVersion") or item.get("serverVersion") or "")[:60],
        )

    def _json(self, path: str, *, doing: str) -> Mapping[str, Any]:
        try:
            return _map(json.loads(self._content(path, doing=doing)))
        except (ValueError, RecursionError) as error:
            raise self._not_json(doing) from error

    def _not_json(self, doing: str) -> Transient:
        return Transient(
            f"Argo CD's answer to {doing} is not JSON. Is {self._access.url} its address?"
        )

    def _content(self, path: str, *, doing: str) -> bytes:
        from urllib3.exceptions import HTTPError

        response = self._send(path, doing=doing, read=self._read_seconds)
        content = bytearray()
        until = time.monotonic() + _ANSWER_SECONDS
        try:
            while chunk := response.read1(256 * 1024):
                content += chunk
                if len(content) > _ANSWER_BYTES or time.monotonic() > until:
                    raise Transient(f"Argo CD's answer to {doing} is too large or too slow.")
            return bytes(content)
        except (HTTPError, OSError) as error:
            raise Transient(f"Argo CD's answer to {doing} broke off.") from error
        finally:
            response.close()

    def _send(self, path: str, *, doing: str, read: float) -> Any:
        from urllib3 import Timeout
        from urllib3.exceptions import HTTPError

        headers = {"Accept": "application/json", "User-Agent": "fleet-ui"}
        if token := self._access.token.token():
            headers["Authorization"] = f"Bearer {token}"
        try:
            response = self._pool.request(
                "GET",
                self._access.url.rstrip("/") + path,
                headers=headers,
                timeout=Timeout(connect=_CONNECT_SECONDS, read=read),
                preload_content=False,
            )
        except HTTPError as error:
            if "certificate verify failed" in str(error):
                raise Refused(
                    f"The certificate of Argo CD at {self._access.url} is not trusted. Configure "
                    "its certificate authority.",
                    code="tls",
                ) from error
            raise Transient(f"Argo CD at {self._access.url} does not answer ({doing}).") from error
        if response.status == 200:
            return response
        retry_after = response.headers.get("Retry-After")
        response.close()
        raise self._error(response.status, doing=doing, retry_after=retry_after)

    def _error(self, code: int, *, doing: str, retry_after: str | None) -> Refused | Transient:
        if code == 401:
            return Refused(
                f"Argo CD at {self._access.url} does not accept {self._access.token.describe()}. "
                "Make a new token for its account.",
                code="unauthorized",
            )
        if code == 403:
            return Refused(
                f"Argo CD does not allow this installation's account to {doing}. Give it the "
                "policy 'clusters, get, *' and 'applications, get, *'.",
                code="forbidden",
            )
        if code == 404:
            return Refused(
                f"Argo CD at {self._access.url} answers 'not found' to {doing}. Check the name and "
                "the address.",
                code="not_found",
            )
        if code == 429 or code >= 500:
            seconds = (
                float(retry_after)
                if retry_after and retry_after.isascii() and retry_after.isdigit()
                else None
            )
            return Transient(
                f"Argo CD is overloaded or away (HTTP {code}) for {doing}.", retry_after=seconds
            )
        return Refused(
            f"Argo CD at {self._access.url} refuses to {doing} (HTTP {code}). Check its address.",
            code="rejected",
        )


def _pool(access: ArgoCDAccess) -> Any:
    import urllib3

    proxies = {} if is_loopback(urlsplit(access.url).hostname or "") else _environment_proxies()
    options: dict[str, Any] = {
        "num_pools": 1,
        "maxsize": 4,
        "cert_reqs": "CERT_REQUIRED",
        "ca_certs": access.ca_file or None,
        # No second try and no other address: a redirect would carry the token elsewhere.
        "retries": urllib3.Retry(total=False, redirect=0, raise_on_redirect=False),
    }
    if proxy := proxies.get("https"):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


def _environment_proxies() -> Mapping[str, str]:
    from urllib.request import getproxies_environment

    return getproxies_environment()


def _map(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> Iterable[tuple[str, str]]:
    pairs = _map(value).items()
    return ((key, text) for key, text in pairs if isinstance(text, str) and text.isprintable())


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
