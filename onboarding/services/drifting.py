"""Drifting: what people do about drift: adopt it into Git, or have the hub look at Git again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.core.cache import cache

from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditCluster
from onboarding.domain.lifecycle import Right
from onboarding.domain.member import parse_member
from onboarding.models import ApplicationStatus, Change, Cluster, Hub
from onboarding.ports import ArgoCD, Clock, FleetRepository, HubReader, SpokeCredentials
from onboarding.services import changes, events, member_forms, places
from onboarding.services.layouts import layout_of
from onboarding.services.observing import looking
from onboarding.services.observing.drift import drift_of
from onboarding.services.observing.observation_rows import REGISTRATION
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

REASSERTED = "cluster.reasserted"
_ASKED_SECONDS = 10
_MOST_ASKED = 20


def adopt(
    *,
    cluster: Cluster,
    keys: frozenset[str],
    actor: User,
    repository: FleetRepository,
    credentials: SpokeCredentials,
    clock: Clock,
) -> Change:
    """Ask for approval of a change that writes live labels into the cluster's own file.

    `keys` are labels that differ; their values are taken from what the hub was last seen to have,
    never from the person. Raises `Refused` where one does not differ (any more) or cannot be set for
    one cluster, and as `changes.submit`.
    """
    require(actor, Right.REQUEST, places.place_of(cluster))
    snapshot = repository.snapshot()
    found = drift_of(cluster=cluster, repository=repository, snapshot=snapshot)
    adoptable = {one.subject: one for one in found.differences if one.adoptable}
    if not keys or not keys <= adoptable.keys():
        raise Refused(
            "Choose labels that differ and can be set for this cluster alone. The list may have "
            "changed since this page was loaded.",
            code="not_adoptable",
        )
    placement, form_data = member_forms.form_data_of(
        cluster=cluster, snapshot=snapshot, layout=layout_of(cluster.fleet)
    )
    file = snapshot.read(cluster.path)
    if file is None:
        raise Refused(f"{cluster.path} is not in the repository any more.", code="gone")
    member = parse_member(file)
    pins = {key: adoptable[key].hub or "" for key in sorted(keys)}
    return changes.submit(
        fleet=cluster.fleet,
        intent=EditCluster(
            placement=placement,
            secret_name=member.secret_name,
            model=member.model,
            remote_addons=member.remote_addons,
            remote_resources=member.remote_resources,
            options=dict(member.options),
            pins=pins,
        ),
        form_data=member_forms.as_sent(form_data)
        | {f"{member_forms.PIN}{key}": pins[key] for key in pins},
        actor=actor,
        repository=repository,
        credentials=credentials,
        clock=clock,
    )


def reassert(
    *,
    cluster: Cluster,
    actor: User,
    reader: Callable[[Hub], HubReader],
    argocd: Callable[[Hub], ArgoCD],
    clock: Clock,
) -> str:
    """Ask the hub to look at Git for this cluster again, now; returns what was asked, in a sentence.

    Git says already what shall be, so there is nothing to commit and nothing to approve. Raises
    `Refused` where the actor may not ask for changes or the hub was asked a moment ago, and what the
    hub's APIs raise.
    """
    require(actor, Right.REQUEST, places.place_of(cluster))
    hub = Hub.objects.filter(name=cluster.hub_name).first()
    if hub is None:
        raise Refused(f"No hub called {cluster.hub_name} is configured here.", code="no_hub")
    if not cache.add(f"reasserted:{hub.pk}:{cluster.name}", True, timeout=_ASKED_SECONDS):
        raise Refused("The hub was asked a moment ago. Give it some seconds.", code="too_soon")
    sets = looking.registration_sets(hub, layout_of(cluster.fleet))
    api, known = reader(hub), argocd(hub)
    for name in sets:
        api.ask_application_set_to_look(name)
    asked = _ask_applications(cluster, hub, known)
    events.record(
        verb=REASSERTED,
        message=f"{actor.get_username()} asked hub {hub.name} to look at {cluster.name} again.",
        at=clock.now(),
        actor=actor,
        fleet=cluster.fleet,
        cluster_name=cluster.name,
    )
    applications = "1 Application" if asked == 1 else f"{asked} Applications"
    return f"Hub {hub.name} was asked to read Git for {cluster.name} again: {applications}."


def _ask_applications(cluster: Cluster, hub: Hub, argocd: ArgoCD) -> int:
    """Its registration Application, if there is one yet, and those of its Applications not in sync."""
    there = ApplicationStatus.objects.filter(hub=hub)
    registration = there.filter(name=f"{REGISTRATION}{cluster.name}").values_list("name", flat=True)
    own = there.filter(cluster_name=cluster.name).exclude(sync="Synced").order_by("name")
    names = [*registration, *own.values_list("name", flat=True)[:_MOST_ASKED]]
    for name in names:
        argocd.refresh_application(name)
    return len(names)
