"""Releases: which channels there are, at which version, and who is on them."""

from __future__ import annotations

from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import Right
from onboarding.domain.releases import RELEASE_LABELS, Releases, parse_releases
from onboarding.models import Fleet
from onboarding.services.layouts import layout_of
from onboarding.views import access, freshness
from onboarding.views.pages import Count, Origin, ReleaseGroup, ReleaseListPage, ReleaseRow
from onboarding.views.partials import page_or_part
from onboarding.views.release_matrix import release_matrix
from onboarding.views.standing_counts import StandingCounts
from onboarding.views.standing_rows import GROUP_TITLES, list_url


@require_GET
def release_list(request: HttpRequest) -> HttpResponse:
    """The groups with their channels, from the versions file at the branch's tip."""
    access.user_with(request, Right.VIEW)
    fleet = access.fleet_for(request)
    page = (
        _page(request, fleet, wiring.clock().now())
        if fleet
        else ReleaseListPage(groups=(), problem="No fleet is configured yet.")
    )
    return page_or_part(
        request,
        "onboarding/releases/list.html",
        "onboarding/releases/_list_part.html",
        {"page": page},
    )


def _page(request: HttpRequest, fleet: Fleet, now: datetime) -> ReleaseListPage:
    path = layout_of(fleet).releases
    try:
        snapshot = wiring.current_repository(fleet).snapshot()
        known = parse_releases(snapshot.read(path), path=path)
    except FleetError as error:
        return ReleaseListPage(groups=(), path=path, problem=str(error))
    reach = access.reach_of(request.user)
    on = StandingCounts.of_fleet(reach, fleet, now)
    groups = tuple(
        _group(group, known, path, on.by(f"{group}_release")) for group in RELEASE_LABELS
    )
    return ReleaseListPage(
        groups=tuple(group for group in groups if group.rows),
        as_of=freshness.oldest(freshness.hub_rows(reach, fleet, now)),
        commit=snapshot.commit,
        matrix=release_matrix(request, fleet, known, now=now, total=on.total),
        refresh_url=request.get_full_path(),
        path=path,
    )


def _group(
    group: str, known: Releases, path: str, on: dict[str, tuple[Count, ...]]
) -> ReleaseGroup:
    column = f"{group}_release"
    rows = []
    for entry in known.groups.get(group, ()):
        counts = on.pop(entry.type, ())
        rows.append(
            ReleaseRow(
                channel=entry.type,
                version=entry.version,
                clusters=sum(part.count for part in counts),
                counts=counts,
                url=list_url(**{column: entry.type}),
                note=entry.path or entry.repo_url or "",
            )
        )
    rows += [_unknown(column, name, counts) for name, counts in on.items()]
    return ReleaseGroup(
        name=group, label=GROUP_TITLES.get(group, group), rows=tuple(rows), origin=Origin("", path)
    )


def _unknown(column: str, name: str, counts: tuple[Count, ...]) -> ReleaseRow:
    return ReleaseRow(
        channel=name,
        version="",
        clusters=sum(part.count for part in counts),
        counts=counts,
        url=list_url(**{column: name}),
        is_unknown=True,
        note="Not in the versions file: these clusters get an error instead of components.",
    )
