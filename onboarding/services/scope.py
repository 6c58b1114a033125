"""What of the rows somebody may see: the one place that narrows querysets to what was granted.

Whoever may see everything gets the rows without any condition. Others get conditions on the columns
of fleet, tenant and environment, and of what has none of them on the clusters that it belongs to:
what belongs to no cluster that they may see is not theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db.models import Exists, F, Model, OuterRef, Q, QuerySet
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.roles import ALL, Held, matches
from onboarding.models import (
    ApplicationStatus,
    Bulk,
    BulkRow,
    Change,
    Cluster,
    Event,
    Fleet,
    Hub,
    Rollout,
    RolloutRow,
    Standing,
)
from onboarding.services.places import whole
from onboarding.services.rights import Reach

if TYPE_CHECKING:
    from django.contrib.auth.models import User

Row = TypeVar("Row", bound=Model)
_NOTHING = Q(pk__in=())


def sees_all(reach: Reach, fleet: Fleet, right: Right = Right.VIEW) -> bool:
    """Whether somebody has a right at the whole of a fleet."""
    return right in reach.at(whole(fleet))


def sees_layer(reach: Reach, fleet: Fleet, tenant: str, environment: str) -> bool:
    """Whether somebody sees a place whose clusters inherit a layer ("": of all tenants, or environments)."""
    return any(
        matches(one.fleet, fleet.name)
        and (not tenant or matches(one.tenant, tenant))
        and (not environment or matches(one.environment, environment))
        for one in reach.having(Right.VIEW)
    )


def fleets(reach: Reach, right: Right = Right.VIEW) -> QuerySet[Fleet]:
    """The fleets of which somebody has a right at a part."""
    held = reach.having(right)
    if any(one.fleet == ALL for one in held):
        return Fleet.objects.all()
    return Fleet.objects.filter(pk__in={key for one in held for key in reach.names_of(one.fleet)})


def clusters(reach: Reach, right: Right = Right.VIEW) -> QuerySet[Cluster]:
    """The clusters of Git at whose place somebody has a right."""
    return _narrowed(Cluster.objects.all(), within(reach, right))


def standings(reach: Reach, right: Right = Right.VIEW) -> QuerySet[Standing]:
    """How those clusters stand, and those that are only asked for."""
    return _narrowed(Standing.objects.all(), within(reach, right))


def hubs(reach: Reach) -> QuerySet[Hub]:
    """The hubs of the fleets that somebody sees; not the own Argo CD of a cluster that they may not see."""
    rows = Hub.objects.all()
    inside = within(reach, Right.VIEW)
    if inside is None:
        return rows
    others = _others(reach, fleet="fleet", name="name")
    return rows.filter(fleet__in=fleets(reach)).exclude(Exists(others))


def applications(reach: Reach) -> QuerySet[ApplicationStatus]:
    """The Applications on clusters that somebody may see, made by the hub or by the cluster's own Argo CD.

    What a hub runs for itself is no cluster's: it is seen by who sees the whole fleet.
    """
    rows = ApplicationStatus.objects.all()
    if within(reach, Right.VIEW) is None:
        return rows
    seen = clusters(reach).filter(fleet=OuterRef("hub__fleet")).order_by()
    of_hub = seen.filter(hub_name=OuterRef("hub__name"), name=OuterRef("cluster_name"))
    by_itself = seen.filter(name=OuterRef("hub__name"))
    return rows.filter(Q(hub__fleet__in=_whole_fleets(reach)) | Exists(of_hub) | Exists(by_itself))


def changes(reach: Reach, user: User, right: Right = Right.VIEW) -> QuerySet[Change]:
    """The changes at whose whole place somebody has a right; drafts are their authors' alone.

    A change that would take a cluster over from another tenant is seen by who sees both.
    """
    rows = Change.objects.exclude(~Q(requester=user.pk), state=DecisionState.DRAFT.value)
    inside = within(reach, right)
    if inside is None:
        return rows
    others = _others(reach, fleet="fleet", name="cluster_name", right=right)
    return rows.filter(inside).exclude(~Q(kind=Change.Kind.LAYER), Exists(others))


def bulks(reach: Reach, user: User) -> QuerySet[Bulk]:
    """The bulks of which somebody may see every row; one that has no change yet, only who sent it."""
    rows = Bulk.objects.all()
    if within(reach, Right.VIEW) is None:
        return rows
    theirs = BulkRow.objects.filter(bulk=OuterRef("pk")).order_by()
    foreign = theirs.exclude(change=None).exclude(change__in=changes(reach, user))
    unplanned = theirs.filter(change=None)
    return rows.filter(
        Q(fleet__in=_whole_fleets(reach))
        | (
            Q(fleet__in=fleets(reach))
            & ~Exists(foreign)
            & (Q(requester=user.pk) | ~Exists(unplanned))
        )
    )


def rollouts(reach: Reach, user: User) -> QuerySet[Rollout]:
    """The rollouts of which somebody may see every cluster."""
    rows = Rollout.objects.all()
    if within(reach, Right.VIEW) is None:
        return rows
    theirs = RolloutRow.objects.filter(wave__rollout=OuterRef("pk")).order_by()
    foreign = theirs.exclude(change__in=changes(reach, user))
    return rows.filter(Q(fleet__in=_whole_fleets(reach)) | (Exists(theirs) & ~Exists(foreign)))


def events(reach: Reach, user: User) -> QuerySet[Event]:
    """What happened to the changes and clusters that somebody may see, and to fleets that they see whole."""
    rows = Event.objects.all()
    inside = within(reach, Right.VIEW)
    if inside is None:
        return rows
    named = clusters(reach).filter(fleet=OuterRef("fleet"), name=OuterRef("cluster_name"))
    return rows.filter(
        Q(fleet__in=_whole_fleets(reach))
        | Q(change__in=changes(reach, user).order_by().values("pk"))
        | (Q(change=None) & ~Q(cluster_name="") & Exists(named.order_by()))
    )


def within(reach: Reach, right: Right) -> Q | None:
    """The condition on a row's fleet, tenant and environment; None where there is nothing to ask."""
    held = reach.having(right)
    if any((one.fleet, one.tenant, one.environment) == (ALL, ALL, ALL) for one in held):
        return None
    found = _NOTHING
    for one in held:
        found |= _condition(reach, one)
    return found


def _condition(reach: Reach, held: Held) -> Q:
    found = Q() if held.fleet == ALL else Q(fleet__in=reach.names_of(held.fleet))
    for column, pattern in (("tenant", held.tenant), ("environment", held.environment)):
        if pattern == ALL:
            continue
        start = pattern.removesuffix(ALL)
        # SQLite's LIKE knows no capital letters, so that beginnings are compared as they are.
        found &= (
            Q(Exact(Left(F(column), len(start)), start))
            if start != pattern
            else Q(**{column: pattern})
        )
    return found


def _whole_fleets(reach: Reach) -> list[int]:
    """The fleets (keys) that somebody sees whole."""
    held = [one for one in reach.having(Right.VIEW) if (one.tenant, one.environment) == (ALL, ALL)]
    return sorted({key for one in held for key in reach.names_of(one.fleet)})


def _others(reach: Reach, *, fleet: str, name: str, right: Right = Right.VIEW) -> QuerySet[Cluster]:
    """The clusters of an outer row's fleet with the name that it has, which are not this person's."""
    named = Cluster.objects.filter(fleet=OuterRef(fleet), name=OuterRef(name)).order_by()
    inside = within(reach, right)
    return named.none() if inside is None else named.exclude(inside)


def _narrowed(rows: QuerySet[Row], inside: Q | None) -> QuerySet[Row]:
    return rows if inside is None else rows.filter(inside)
