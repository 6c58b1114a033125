"""Who sets a key, as a page."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest

from onboarding.domain.layout import LayerScope
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Fleet
from onboarding.services import rights, scope
from onboarding.services.value_search import Reach, Setting, reaches, search
from onboarding.views import access
from onboarding.views.listing import PAGE_SIZE, pagination
from onboarding.views.pages import SettingRow, ValueSearchPage
from onboarding.views.values_page import origin_of, shown

_NAMED = 3


def value_search_page(
    request: HttpRequest, fleet: Fleet, query: str, snapshot: Snapshot | None, *, problem: str = ""
) -> ValueSearchPage:
    """One page of the places that set the key; `snapshot` None where the repository is away."""
    if snapshot is None or not query:
        return ValueSearchPage(query=query, problems=(problem,) if problem else ())
    found = search(fleet=fleet, query=query, snapshot=snapshot)
    reach = access.reach_of(request.user)
    seen = [one for one in found.settings if _may_see(reach, fleet, one)]
    page = Paginator(seen, PAGE_SIZE).get_page(request.GET.get("page"))
    settings = list(page.object_list)
    clusters = scope.clusters(reach).filter(fleet=fleet)
    known = reaches(clusters=clusters, settings=seen, shown=settings)
    return ValueSearchPage(
        query=query,
        rows=tuple(_row(one, reach) for one, reach in zip(settings, known, strict=True)),
        pages=pagination(page),
        looked=f"{found.files:,} of {found.of:,} values files at {snapshot.commit[:10]}",
        is_complete=found.is_complete,
        problems=found.problems[:_NAMED] if scope.sees_all(reach, fleet) else (),
    )


def _may_see(reach: rights.Reach, fleet: Fleet, setting: Setting) -> bool:
    """What a release sets is everybody's; of a layer, it is theirs who see a place that inherits it."""
    of = setting.scope
    return of is None or scope.sees_layer(reach, fleet, of.tenant, of.environment)


def _row(setting: Setting, reach: Reach) -> SettingRow:
    return SettingRow(
        key=".".join(setting.leaf.keys),
        value=shown(setting.leaf.value),
        component=setting.component,
        origin=origin_of(setting.leaf.origin),
        scope=_scope(setting.scope) if setting.scope else _channels(setting),
        reach=reach.meant,
        decides=reach.decides,
        covered_by=tuple(origin_of(one) for one in reach.covered_by[:_NAMED]),
    )


def _scope(scope: LayerScope) -> str:
    parts = [
        f"{word} {value}"
        for word, value in (
            ("cluster", scope.cluster),
            ("tenant", scope.tenant),
            ("environment", scope.environment),
        )
        if value
    ]
    return ", ".join(parts) or "every cluster"


def _channels(setting: Setting) -> str:
    named = sorted(f"{group} {channel}" for group, channel in setting.channels)
    return f"release channel {', '.join(named)}"
