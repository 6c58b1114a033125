"""Looking: after a delivery, tell Argo CD to read Git now instead of at its next poll."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from django.core.cache import cache

from onboarding.domain.errors import FleetError
from onboarding.domain.layout import FleetLayout
from onboarding.domain.reasons import unknown_cluster
from onboarding.models import (
    ApplicationStatus,
    Change,
    ClusterStatus,
    Delivery,
    Hub,
    HubObject,
)
from onboarding.ports import ArgoCD, Clock, HubKind, HubReader
from onboarding.services import events
from onboarding.services.layouts import layout_of

_LOG = logging.getLogger(__name__)
HUB_TOLD = "hub.told"
REGISTRATION = "fleet-hub-external-secrets"
# A hub with thousands of Applications of one file is left to its own poll for the rest.
_MOST_APPLICATIONS = 50
_SECONDS_BETWEEN = 0.05
_REMEMBERED_SECONDS = 300
# Told once more for one change, a looker has been told for all others that still wait for it.
_TOLD_FOR_ALL_SECONDS = 5
# How often, and of how many clusters at once, Argo CD is asked to try again what it could not reach.
_TRY_AGAIN_SECONDS = 20
_MOST_TRIED_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Lookers:
    """Who must look at Git after a change: ApplicationSets and Applications by name."""

    application_sets: tuple[str, ...] = ()
    applications: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """Whom we told, how many had looked since the commit, and what went wrong."""

    lookers: Lookers
    skipped: int = 0
    problems: tuple[str, ...] = ()


def tell_hub_of_change(
    *,
    change_id: int,
    reader: Callable[[Hub], HubReader],
    argocd: Callable[[Hub], ArgoCD],
    clock: Clock,
    again: bool = False,
    pause: Callable[[float], None] = time.sleep,
) -> Told:
    """Ask all that a delivered change concerns to look now; failures are noted, none is raised.

    A looker that was told after the change's commit is not told anew, so that a batch of many
    changes costs one look; with `again`, it is, unless that was a moment ago. What is not told is
    found by the hub's own poll.
    """
    change = Change.objects.select_related("hub", "fleet").filter(pk=change_id).first()
    if change is None:
        return Told(Lookers())
    told = [
        _tell(change, hub, reader=reader, argocd=argocd, clock=clock, again=again, pause=pause)
        for hub in _hubs_of(change)
    ]
    return Told(
        Lookers(
            tuple(name for one in told for name in one.lookers.application_sets),
            tuple(name for one in told for name in one.lookers.applications),
        ),
        sum(one.skipped for one in told),
        tuple(problem for one in told for problem in one.problems),
    )


def _hubs_of(change: Change) -> Sequence[Hub]:
    """The hubs that a change concerns: its cluster's, or those of all clusters that a layer moves."""
    if change.hub is not None:
        return [change.hub]
    names = {one["hub"] for one in change.plan.get("moved", ())}
    return list(Hub.objects.filter(fleet=change.fleet, name__in=names).order_by("name"))


def _tell(
    change: Change,
    hub: Hub,
    *,
    reader: Callable[[Hub], HubReader],
    argocd: Callable[[Hub], ArgoCD],
    clock: Clock,
    again: bool,
    pause: Callable[[float], None],
) -> Told:
    """Ask those of one hub whom a change concerns."""
    lookers = who_looks(change=change, again=again, hub=hub)
    committed = (
        Delivery.objects.filter(change=change, committed_at__isnull=False)
        .order_by("-committed_at")
        .values_list("committed_at", flat=True)
        .first()
    )
    since = (committed or clock.now()).timestamp()
    if again:
        since = clock.now().timestamp() - _TOLD_FOR_ALL_SECONDS
    ask_set, ask_application = _askers(hub, reader, argocd)
    problems: list[str] = []
    skipped = 0
    for kind, names in (("set", lookers.application_sets), ("application", lookers.applications)):
        for name in names:
            key = f"looked:{hub.pk}:{kind}:{name}"
            if (cache.get(key) or 0.0) > since:
                skipped += 1
                continue
            told_at = clock.now().timestamp()
            try:
                (ask_set if kind == "set" else ask_application)(name)
            except FleetError as error:
                problems.append(str(error))
                _LOG.warning("Hub %s was not told to look: %s", hub.name, error)
                continue
            cache.set(key, told_at, timeout=_REMEMBERED_SECONDS)
            pause(_SECONDS_BETWEEN)
    if not problems and (lookers.application_sets or lookers.applications):
        events.record(
            verb=HUB_TOLD,
            message=f"Hub {hub.name} was told {'once more ' if again else ''}to look at Git.",
            at=clock.now(),
            change=change,
        )
    return Told(lookers, skipped, tuple(problems))


def try_unreachable_again(
    *, hub: Hub, argocd: ArgoCD, pause: Callable[[float], None] = time.sleep
) -> int:
    """Ask Argo CD to try again the clusters that it cannot reach; returns how many it was asked for.

    By itself it does so when it next compares one of their Applications, after two to three
    minutes, and until then a cluster that is back looks as if it were not. One comparison is enough
    for a cluster. A refusal for one is only logged.
    """
    unreachable = ClusterStatus.objects.filter(hub=hub, connection="Failed").order_by("name")
    asked = 0
    for name in unreachable.values_list("name", flat=True).iterator():
        if asked == _MOST_TRIED_AT_ONCE:
            break
        if not cache.add(f"tried:{hub.pk}:{name}", True, timeout=_TRY_AGAIN_SECONDS):
            continue
        of_cluster = ApplicationStatus.objects.filter(hub=hub, cluster_name=name)
        first = of_cluster.order_by("name").values_list("name", flat=True).first()
        if first is None:
            continue
        try:
            argocd.refresh_application(first)
        except FleetError as error:
            _LOG.warning("Hub %s was not told to try %s again: %s", hub.name, name, error)
        asked += 1
        pause(_SECONDS_BETWEEN)
    return asked


def _askers(
    hub: Hub, reader: Callable[[Hub], HubReader], argocd: Callable[[Hub], ArgoCD]
) -> tuple[Callable[[str], object], Callable[[str], object]]:
    """The two ways of asking; each API is connected once, and only where it is needed."""
    connected = functools.cache(lambda: reader(hub)), functools.cache(lambda: argocd(hub))
    return (
        lambda name: connected[0]().ask_application_set_to_look(name),
        lambda name: connected[1]().refresh_application(name),
    )


def who_looks(*, change: Change, again: bool = False, hub: Hub | None = None) -> Lookers:
    """Whom a change concerns, from the files that it writes and what the hub was last seen to have.

    A member file concerns the registration ApplicationSet; the versions file the bootstrap sets and
    their Applications; a values file every Application of the cluster that reads it.

    Where the registration ApplicationSet rewrites an Application, that one looks by itself. Asked as
    well it may begin to sync a moment before, and Argo CD 3.2 then leaves the rest out of sync until
    its next poll: the comparison that finds the rest runs while the sync that just ended still counts
    as running. It is asked only `again`; so are the sets that did not know the cluster when they looked.
    """
    hub = hub or change.hub
    if hub is None:
        return Lookers()
    layout = layout_of(change.fleet)
    rewritten = ""
    sets: list[str] = []
    applications: list[str] = []
    values: set[str] = set()
    for path in _paths(change, layout):
        if layout.parse_member_path(path):
            sets.extend(registration_sets(hub, layout))
            rewritten = "" if again else _registration_of(change.cluster_name)
        elif path == layout.releases:
            bootstrap = ApplicationStatus.objects.filter(hub=hub, component="bootstrap")
            sets.extend(
                bootstrap.exclude(application_set="").values_list("application_set", flat=True)
            )
            applications.extend(bootstrap.values_list("name", flat=True))
        else:
            values.add(path)
    if again and change.cluster_name:
        sets.extend(_sets_without(hub, change.cluster_name))
    if values:
        applications.extend(name for name in _readers(change, hub, values) if name != rewritten)
    return Lookers(
        application_sets=tuple(dict.fromkeys(sets)),
        applications=tuple(dict.fromkeys(applications))[:_MOST_APPLICATIONS],
    )


def _paths(change: Change, layout: FleetLayout) -> Iterator[str]:
    edits = change.plan.get("edits") if isinstance(change.plan, dict) else None
    found = [edit.get("path") for edit in edits or () if isinstance(edit, dict)]
    yield from (path for path in found if isinstance(path, str))


def registration_sets(hub: Hub, layout: FleetLayout) -> Sequence[str]:
    """The ApplicationSets of a hub that read the fleet's member files; the usual one while none is known."""
    rows = HubObject.objects.filter(hub=hub, kind=HubKind.APPLICATION_SETS.value)
    root = layout.members_root()
    found = [
        row.name
        for row in rows.only("name", "facts").iterator()
        if any(path.startswith(root) for path in _git_paths(row.facts.get("spec", {})))
    ]
    return found or [REGISTRATION]


def _sets_without(hub: Hub, cluster: str) -> Iterator[str]:
    """The ApplicationSets that failed for want of a cluster that is registered by now."""
    if not ClusterStatus.objects.filter(hub=hub, name=cluster).exists():
        return
    rows = HubObject.objects.filter(hub=hub, kind=HubKind.APPLICATION_SETS.value, ready=False)
    for name, message in rows.order_by("name").values_list("name", "message"):
        if unknown_cluster(message) == cluster:
            yield name


def _git_paths(value: Any) -> Iterator[str]:
    """The `path` of every file and directory that a set's Git generators read, however nested."""
    if isinstance(value, Mapping):
        git = value.get("git")
        if isinstance(git, Mapping):
            for entry in (*_entries(git.get("files")), *_entries(git.get("directories"))):
                if isinstance(path := entry.get("path"), str):
                    yield path
        for key, each in value.items():
            if key != "template":
                yield from _git_paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _git_paths(each)


def _entries(value: Any) -> Iterable[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _readers(change: Change, hub: Hub, paths: set[str]) -> Iterator[str]:
    """Applications that read one of the files: of the change's cluster, its registration first.

    A change that is about no single cluster writes files that many read: then those of all clusters.
    """
    found = ApplicationStatus.objects.filter(hub=hub).only("name", "facts")
    rows = found.iterator()
    if change.cluster_name:
        registration = found.filter(name=_registration_of(change.cluster_name))
        rows = chain(registration, found.filter(cluster_name=change.cluster_name))
    for row in rows:
        files = row.facts.get("value_files", ())
        if any(file.removeprefix("$values/") in paths for file in files):
            yield row.name


def _registration_of(cluster_name: str) -> str:
    return f"fleet-secret-{cluster_name}"
