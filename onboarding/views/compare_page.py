"""Two clusters side by side as a page."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import reverse

from onboarding.domain.errors import FleetError, Refused
from onboarding.models import Cluster, Fleet
from onboarding.ports import FleetRepository
from onboarding.services import scope
from onboarding.services.rights import Reach
from onboarding.services.values import values_of_cluster
from onboarding.views.pages import ComparePage, Comparison, Hidden, Link
from onboarding.views.values_page import comparison

_MOST_NAMES = 2000


def compare_page(
    fleet: Fleet,
    *,
    reach: Reach,
    left: str,
    right: str,
    component: str,
    show_all: bool,
    repository: Callable[[], FleetRepository],
) -> ComparePage:
    """What differs between the clusters `left` and `right`, each written hub/name."""
    errors: list[str] = []
    found = None
    if left and right:
        try:
            found = _comparison(reach, fleet, left, right, component, show_all, repository)
        except FleetError as error:
            errors.append(str(error))
    names = scope.clusters(reach).filter(fleet=fleet, problem="").order_by("name")
    return ComparePage(
        left=left,
        right=right,
        clusters=tuple(
            f"{hub}/{name}" for hub, name in names.values_list("hub_name", "name")[:_MOST_NAMES]
        ),
        comparison=found,
        errors=tuple(errors),
        crumbs=(Link("Clusters", reverse("cluster-list")),),
    )


def _comparison(
    reach: Reach,
    fleet: Fleet,
    left: str,
    right: str,
    component: str,
    show_all: bool,
    repository: Callable[[], FleetRepository],
) -> Comparison:
    clusters = [_cluster(reach, fleet, address) for address in (left, right)]
    snapshot = repository().snapshot()
    sides = [values_of_cluster(cluster=cluster, snapshot=snapshot) for cluster in clusters]
    return comparison(
        sides[0],
        sides[1],
        component,
        titles=(clusters[0].name, clusters[1].name),
        keep=(Hidden("a", left), Hidden("b", right)),
        show_all=show_all,
    )


def _cluster(reach: Reach, fleet: Fleet, address: str) -> Cluster:
    hub, _, name = address.rpartition("/")
    rows = scope.clusters(reach).select_related("fleet").filter(fleet=fleet, name=name)
    found = (rows.filter(hub_name=hub) if hub else rows).order_by("problem", "path").first()
    if found is None:
        raise Refused(f"There is no cluster {address!r:.140}. Write it as hub/name.")
    return found
