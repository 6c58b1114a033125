"""What one hub was last seen to say, laid out by cluster for the stories of some of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain

from django.db.models import Q

from onboarding.domain.applications import moment
from onboarding.domain.selectors import Match, application_set_match
from onboarding.models import (
    ApplicationStatus,
    Cluster,
    ClusterPause,
    ClusterStatus,
    Hub,
    HubObject,
    HubWatch,
)
from onboarding.ports import HubKind
from onboarding.services.observing.application_rows import SeenApplication, seen_applications
from onboarding.services.observing.hub_text import as_map, text
from onboarding.services.observing.leaving import external_secrets_of
from onboarding.services.observing.observation_rows import REGISTRATION
from onboarding.services.observing.own_argo import OwnArgo, own_argos

_OF_ALL = (HubKind.SECRET_STORES.value, HubKind.APPLICATION_SETS.value)
"""The kinds of which each cluster's story needs all objects; an index finds them."""
_MOST_NAMED = 10
_FOLLOWS_WITHIN = timedelta(seconds=30)
"""How long a hub that is told of a commit takes to have its labels on the cluster secrets."""


class HubView:
    """What one hub was last seen to say, laid out for looking up by cluster."""

    def __init__(self, hub: Hub | None, *, only: Collection[str]) -> None:
        """Read the hub's rows that concern `only` some clusters, a few hundred at most.

        `hub` None is a hub that nobody configured.
        """
        self.watch: HubWatch | None = getattr(hub, "watch", None)
        self.problem = "" if hub else "No hub of this name is configured here."
        self.applications: dict[str, list[SeenApplication]] = defaultdict(list)
        self.registrations: dict[str, SeenApplication] = {}
        self.registered: dict[str, ClusterStatus] = {}
        self.servers: dict[str, list[str]] = defaultdict(list)
        self.doubled: dict[str, set[str]] = defaultdict(set)
        self.external_secrets: dict[str, HubObject] = {}
        self.stores: dict[str, HubObject] = {}
        self.sets: list[HubObject] = []
        self.own: dict[str, OwnArgo] = {}
        self.pauses: dict[str, ClusterPause] = {}
        self._hub_name = hub.name if hub else ""
        self._git_moved_at = hub.fleet.moved_at if hub else None
        self._selecting: dict[frozenset[tuple[str, str]], frozenset[str]] = {}
        if hub:
            self._read(hub, only)
            self.own = own_argos(fleet_id=hub.fleet_id, names=set(only) - {hub.name})

    @property
    def labels_settled(self) -> bool:
        """Whether the live labels were read when the hub had had time to follow Git's newest commit."""
        read = self.watch.clusters_seen_at if self.watch else None
        if read is None or self._git_moved_at is None:
            return True
        return read - self._git_moved_at > _FOLLOWS_WITHIN

    def silence(self, part: str) -> tuple[datetime | None, str]:
        """Since when one part of the hub ("applications", "clusters", "controller") is silent, and why."""
        seen = as_map(as_map(self.watch.kinds if self.watch else None).get(part))
        return moment(seen.get("problem_since")), text(seen.get("problem"))

    def _read(self, hub: Hub, only: Collection[str]) -> None:
        registrations = [f"{REGISTRATION}{name}" for name in only]
        # Each is answered by an index of its own, which SQLite finds for neither where they are one.
        of_clusters = ApplicationStatus.objects.filter(hub=hub, cluster_name__in=only)
        named = seen_applications(ApplicationStatus.objects.filter(name__in=registrations))
        applications = chain(
            seen_applications(of_clusters), (one for one in named if one.hub_id == hub.pk)
        )
        registered = ClusterStatus.objects.filter(hub=hub)
        # Two questions that an index answers: as one, it is answered by reading all clusters.
        own = registered.filter(name__among=only).values_list("server", flat=True)
        clusters = registered.filter(server__among=set(own))
        secrets = [each for name in only for each in external_secrets_of(name)]
        of_cluster = Q(kind=HubKind.EXTERNAL_SECRETS.value, name__in=secrets)
        objects = HubObject.objects.filter(Q(kind__in=_OF_ALL) | of_cluster, hub=hub)
        pauses = ClusterPause.objects.filter(hub=hub, cluster_name__in=only, ended_at=None)
        self.pauses = {row.cluster_name: row for row in pauses.select_related("owner")}
        for application in applications:
            if application.name.startswith(REGISTRATION):
                self.registrations[application.name.removeprefix(REGISTRATION)] = application
            elif application.cluster_name:
                self.applications[application.cluster_name].append(application)
        for status in clusters:
            if before := self.registered.get(status.name):
                self.doubled[status.name] |= {before.server, status.server}
            self.registered[status.name] = status
            self.servers[status.server].append(status.name)
        for seen in objects:
            if seen.kind == HubKind.EXTERNAL_SECRETS.value:
                self.external_secrets[seen.name] = seen
            elif seen.kind == HubKind.SECRET_STORES.value:
                self.stores[seen.name] = seen
            elif seen.kind == HubKind.APPLICATION_SETS.value:
                self.sets.append(seen)

    def selecting(self, labels: Mapping[str, str]) -> frozenset[str]:
        """The ApplicationSets that select these labels; clusters with the same ones are asked for once."""
        key = frozenset(labels.items())
        if key not in self._selecting:
            self._selecting[key] = frozenset(
                row.name
                for row in self.sets
                if application_set_match(row.facts, labels) is Match.YES
            )
        return self._selecting[key]

    @cached_property
    def broken_members(self) -> tuple[str, ...]:
        """The member files of this hub that cannot be read; asked for only where something is stuck."""
        rows = Cluster.objects.filter(hub_name=self._hub_name).exclude(problem="").order_by("path")
        return tuple(rows.values_list("path", flat=True)[:_MOST_NAMED])

    def external_secret(self, cluster: str) -> HubObject | None:
        """The ExternalSecret that fetches this cluster's credentials."""
        names = external_secrets_of(cluster)
        return next(
            (self.external_secrets[name] for name in names if name in self.external_secrets), None
        )
