"""A hub's Kubernetes API as the product sees it: lists and watches of plain maps, and one request.

Of Applications and ExternalSecrets the maps hold what `kubernetes_objects` decodes, and no more.

The rights that are needed are `list` and `watch` on four kinds in Argo CD's namespace, `patch` on
ApplicationSets there and `get` on that namespace itself; never anything on Secrets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from onboarding.adapters.hub_access import HubAccess
from onboarding.adapters.kubernetes_objects import read_event, read_page
from onboarding.adapters.kubernetes_transport import KubernetesTransport, Query, as_map
from onboarding.domain.errors import Refusal, Refused, Transient
from onboarding.domain.live_sets import REFRESH_ANNOTATION
from onboarding.ports import HubEvent, HubEventType, HubKind, HubPage

_ARGO = "argoproj.io/v1alpha1"
_EXTERNAL_SECRETS = "external-secrets.io/v1"
_API: Mapping[HubKind, str] = {
    HubKind.APPLICATIONS: _ARGO,
    HubKind.APPLICATION_SETS: _ARGO,
    HubKind.EXTERNAL_SECRETS: _EXTERNAL_SECRETS,
    HubKind.SECRET_STORES: _EXTERNAL_SECRETS,
}
_OBJECTS: Mapping[HubKind, str] = {
    HubKind.APPLICATIONS: "Application",
    HubKind.APPLICATION_SETS: "ApplicationSet",
    HubKind.EXTERNAL_SECRETS: "ExternalSecret",
    HubKind.SECRET_STORES: "SecretStore",
}
_MOST_EVENTS = 100
# A watch that is still silent this long after its own end is a half-open connection.
_WATCH_GRACE_SECONDS = 5.0
# etcd refuses objects above 1.5 MB by default; an event carries one object.
_EVENT_BYTES = 16 * 1024 * 1024


class KubernetesHub:
    """One hub's Kubernetes API (port `HubReader`). Safe to be used by several threads."""

    def __init__(
        self, access: HubAccess, *, connect_seconds: float = 5.0, read_seconds: float = 30.0
    ) -> None:
        """Prepare, without connecting; the first request does."""
        self._namespace = access.namespace
        self._api = KubernetesTransport(
            access, connect_seconds=connect_seconds, read_seconds=read_seconds
        )
        self._lock = threading.Lock()
        self._watching: set[Any] = set()
        self._closed = False

    def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
        """One page of a kind, at most `limit` objects, going on at `continue_token`.

        Raises `ListExpired` where that token is too old, else `Refused` or `Transient`.
        """
        query: Query = [("limit", str(limit))]
        if continue_token:
            query.append(("continue", continue_token))
        doing = f"list {_resource(kind)}"
        content = self._api.content("GET", self._path(kind), query=query, doing=doing)
        try:
            page = read_page(kind, content)
        except (ValueError, RecursionError) as error:
            raise self._api.not_json(doing) from error
        if page.items is None:
            raise Transient(f"The hub's answer to {doing} has no items.")
        return HubPage(page.items, page.continue_token, page.resource_version)

    def watch(self, kind: HubKind, *, resource_version: str, timeout: int) -> Iterator[HubEvent]:
        """Events after `resource_version` for at most `timeout` seconds; `ListExpired` on 410.

        A connection that goes dead without a word raises `Transient` shortly after `timeout`.
        `close()` from another thread ends the iteration.
        """
        doing = f"watch {_resource(kind)}"
        query = [
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(timeout)),
        ]
        patience = timeout + _WATCH_GRACE_SECONDS
        response = self._api.send(
            "GET", self._path(kind), query=query, doing=doing, read_seconds=patience
        )
        if not self._enter(response):
            return
        try:
            for line in self._lines(response, until=time.monotonic() + patience, doing=doing):
                yield self._event(kind, line, doing=doing)
        finally:
            self._leave(response)

    def complaint(self, kind: HubKind, name: str) -> str:
        """The message of the newest Event of type Warning about one object; "" where there is none.

        The External Secrets Operator's condition says only that it failed; why stands in its Events.
        Kubernetes keeps them for an hour. Raises `Refused` where the right to list them is missing.
        """
        about = f"involvedObject.kind={_OBJECTS[kind]},involvedObject.name={name},type=Warning"
        answer = self._api.json(
            "GET",
            f"/api/v1/namespaces/{quote(self._namespace, safe='')}/events",
            query=[("fieldSelector", about), ("limit", str(_MOST_EVENTS))],
            doing="list events",
        )
        items = answer.get("items")
        events = [as_map(each) for each in items] if isinstance(items, list) else []
        newest = max(events, key=_said_at, default=None)
        return str(newest.get("message") or "") if newest else ""

    def ask_application_set_to_look(self, name: str) -> str:
        """Set the refresh annotation on one ApplicationSet; Argo CD removes it when it has looked.

        Its value is the time of asking: Argo CD looks whenever the annotation changes, and leaves it
        where the set failed, so that the same value again would be no change and no look.
        Source: Argo CD 3.2's ApplicationSet controller (`shouldRequeueForApplicationSet`).
        Returns the version of the set that carries the request. Raises `Refused` where there is no
        such ApplicationSet or the right to patch is missing.
        """
        asked = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        answer = self._api.json(
            "PATCH",
            f"{self._path(HubKind.APPLICATION_SETS)}/{quote(name, safe='')}",
            doing=f"patch {_resource(HubKind.APPLICATION_SETS)} {name}",
            body={"metadata": {"annotations": {REFRESH_ANNOTATION: asked}}},
        )
        return str(as_map(answer.get("metadata")).get("resourceVersion") or "")

    def identity(self) -> str:
        """The UID of Argo CD's namespace: another one is another hub, or one that was made anew.

        The UID of kube-system would need a right outside that namespace, so it is not asked for.
        """
        doing = f"get namespaces {self._namespace}"
        path = f"/api/v1/namespaces/{quote(self._namespace, safe='')}"
        answer = self._api.json("GET", path, doing=doing)
        uid = as_map(answer.get("metadata")).get("uid")
        if not isinstance(uid, str) or not uid:
            raise Transient(f"The hub's answer to {doing} has no UID.")
        return uid

    def version(self) -> str:
        """The version that the hub's Kubernetes states, such as v1.34.4; at most 60 characters."""
        answer = self._api.json("GET", "/version", doing="read the version")
        return str(answer.get("gitVersion") or "")[:60]

    def check(self) -> str:
        """Try the version, the namespace, a list of each kind and the rights that are needed.

        Returns one sentence; raises `Refused` with one refusal for each right that is missing.
        """
        version = self.version() or "of unknown version"
        self.identity()
        missing: list[Refusal] = []
        for kind in HubKind:
            try:
                self.list_page(kind, limit=1)
            except Refused as refused:
                if refused.refusals[0].code in {"unauthorized", "tls"}:
                    raise
                missing.extend(refused.refusals)
            else:
                missing.extend(self._missing_rights(kind))
        if missing:
            raise Refused.of(missing)
        return (
            f"Kubernetes {version} answers. Applications, ApplicationSets, ExternalSecrets and "
            f"SecretStores in namespace {self._namespace} can be read, and ApplicationSets can be "
            "asked to look at Git."
        )

    def close(self) -> None:
        """End every watch under way, from any thread; later watches end at once."""
        with self._lock:
            self._closed = True
            watching = list(self._watching)
        for response in watching:
            try:
                response.shutdown()
            except (OSError, RuntimeError, ValueError):
                continue  # it ended by itself in this moment

    def _missing_rights(self, kind: HubKind) -> Iterator[Refusal]:
        verbs = ("watch", "patch") if kind is HubKind.APPLICATION_SETS else ("watch",)
        for verb in verbs:
            review = {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {
                    "resourceAttributes": {
                        "namespace": self._namespace,
                        "verb": verb,
                        "group": _API[kind].split("/")[0],
                        "resource": kind.value,
                    }
                },
            }
            answer = self._api.json(
                "POST",
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                doing="review its own rights",
                body=review,
            )
            if as_map(answer.get("status")).get("allowed") is not True:
                sentence = self._api.forbidden(f"{verb} {_resource(kind)}")
                yield Refusal(sentence, code="forbidden")

    def _path(self, kind: HubKind) -> str:
        return f"/apis/{_API[kind]}/namespaces/{quote(self._namespace, safe='')}/{kind.value}"

    def _enter(self, response: Any) -> bool:
        with self._lock:
            if not self._closed:
                self._watching.add(response)
                return True
        response.close()
        return False

    def _leave(self, response: Any) -> None:
        with self._lock:
            self._watching.discard(response)
        response.close()

    def _lines(self, response: Any, *, until: float, doing: str) -> Iterator[bytes]:
        pending = bytearray()
        chunks = self._api.chunks(response, until=until, doing=doing, stopped=lambda: self._closed)
        for chunk in chunks:
            pending += chunk
            if b"\n" in chunk:
                *lines, rest = bytes(pending).split(b"\n")
                pending = bytearray(rest)
                yield from (line for line in lines if line.strip())
            if len(pending) > _EVENT_BYTES:
                raise Transient(f"An event is larger than {_EVENT_BYTES >> 20} MiB ({doing}).")

    def _event(self, kind: HubKind, line: bytes, *, doing: str) -> HubEvent:
        try:
            said, found = read_event(kind, line)
        except (ValueError, RecursionError) as error:
            raise Transient(f"An event is not JSON ({doing}).") from error
        if said == "ERROR":
            code = found.get("code")
            self._api.convert(code if isinstance(code, int) else 500, found, doing=doing)
        try:
            event_type = HubEventType(str(said))
        except ValueError as error:
            raise Transient(f"An event has the unknown type {said!r:.40} ({doing}).") from error
        version = as_map(found.get("metadata")).get("resourceVersion")
        return HubEvent(type=event_type, object=found, resource_version=str(version or ""))


def _said_at(event: Mapping[str, Any]) -> str:
    """When an Event was last said; RFC 3339 in UTC, so that texts are in the order of time."""
    series = as_map(event.get("series"))
    times = (
        event.get("lastTimestamp"),
        series.get("lastObservedTime"),
        event.get("eventTime"),
        as_map(event.get("metadata")).get("creationTimestamp"),
    )
    return next((one for one in times if isinstance(one, str) and one), "")


def _resource(kind: HubKind) -> str:
    return f"{kind.value}.{_API[kind].split('/')[0]}"
