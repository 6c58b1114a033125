"""Which places of the fleet something touches: whoever asks for it or decides on it needs all of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.db.models import QuerySet

from onboarding.domain.intents import AnyIntent, EditLayer
from onboarding.domain.layer_rules import scope_of
from onboarding.domain.roles import Place
from onboarding.models import Bulk, Change, Cluster, Fleet, Rollout, Standing
from onboarding.services.layouts import layout_of


def place_of(row: Change | Cluster | Standing) -> Place:
    """Where a row is that has a fleet, a tenant and an environment."""
    return Place.of(row.fleet.name, row.tenant, row.environment)


def whole(fleet: Fleet) -> Place:
    """All of a fleet."""
    return Place.of(fleet.name)


def touched_by_intent(*, fleet: Fleet, intent: AnyIntent) -> frozenset[Place]:
    """What an intent touches: where the cluster shall be and where it is, or all that read the layer.

    A layer of one tenant is read by all its environments, one of none by all tenants. Raises
    `Refused` where its path is no layer.
    """
    if isinstance(intent, EditLayer):
        scope = scope_of(intent, layout_of(fleet))
        return frozenset({Place.of(fleet.name, scope.tenant, scope.environment)})
    asked = Place.of(fleet.name, intent.placement.tenant, intent.placement.environment)
    return _and_where_it_is(fleet, intent.placement.cluster, asked)


def touched_by(change: Change) -> frozenset[Place]:
    """What a change touches, as `touched_by_intent` of what it asks for; its fleet is read, too."""
    if change.kind == Change.Kind.LAYER:
        return frozenset({place_of(change)})
    return _and_where_it_is(change.fleet, change.cluster_name, place_of(change))


def touched_by_all(changes: Iterable[Change]) -> dict[int, frozenset[Place]]:
    """`touched_by` of many changes, by number, with one query; their fleets are read, too."""
    rows = list(changes)
    names = {one.cluster_name for one in rows if one.kind != Change.Kind.LAYER} - {""}
    found: dict[tuple[int, str], set[tuple[str, str]]] = defaultdict(set)
    known = Cluster.objects.filter(name__in=names).order_by() if names else Cluster.objects.none()
    for fleet, name, *place in known.values_list("fleet", "name", "tenant", "environment"):
        found[fleet, name].add((place[0], place[1]))
    return {
        one.pk: frozenset(
            {
                place_of(one),
                *(Place.of(one.fleet.name, *now) for now in found[one.fleet_id, one.cluster_name]),
            }
        )
        for one in rows
    }


def of_bulk(bulk: Bulk) -> frozenset[Place]:
    """Where all clusters of a bulk are that have a change."""
    return _of_changes(bulk.fleet, Change.objects.filter(bulk_row__bulk=bulk))


def of_rollout(rollout: Rollout) -> frozenset[Place]:
    """Where all clusters of a rollout are."""
    return _of_changes(rollout.fleet, Change.objects.filter(rollout_row__wave__rollout=rollout))


def _of_changes(fleet: Fleet, rows: QuerySet[Change]) -> frozenset[Place]:
    found = rows.order_by().values_list("tenant", "environment").distinct()
    return frozenset(Place.of(fleet.name, *names) for names in found)


def _and_where_it_is(fleet: Fleet, cluster: str, asked: Place) -> frozenset[Place]:
    """The asked place, and where Git has the cluster now: that tenant loses or keeps it, too."""
    rows = Cluster.objects.filter(fleet=fleet, name=cluster).order_by()
    now = rows.values_list("tenant", "environment").distinct() if cluster else ()
    return frozenset({asked, *(Place.of(fleet.name, *names) for names in now)})
