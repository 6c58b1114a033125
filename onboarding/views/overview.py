"""The overview: is the fleet well, and who has to do what next?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from django.db.models import Count as CountOf
from django.db.models import Min
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.domain.progress import ClusterState, Stage
from onboarding.models import Delivery, Fleet
from onboarding.services.shown import StandingRows
from onboarding.views import access, freshness
from onboarding.views.change_list_page import ON_THE_WAY, tally
from onboarding.views.change_page import row_of as change_row
from onboarding.views.change_page import title_of
from onboarding.views.duration_part import durations_part
from onboarding.views.frame import waits_for
from onboarding.views.pages import (
    Breakdown,
    BreakdownRow,
    ChangeRow,
    Count,
    OverviewPage,
    StageCount,
    Stat,
    Waiting,
)
from onboarding.views.partials import page_or_part
from onboarding.views.problems import BAD, problems
from onboarding.views.standing_rows import (
    counts_by,
    list_url,
    numbers_by_state,
    standings,
    state_counts,
)

BREAKDOWNS = (
    ("Tenants", "tenant"),
    ("Environments", "environment"),
    ("Add-ons channel", "addons_release"),
    ("Deployment model", "model"),
)

_MOST_BARS = 12


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """The first page: the fleet in one sentence, what waits, what is wrong."""
    access.user_with(request, Right.VIEW)
    page = _page(request, access.fleet_for(request), wiring.clock().now())
    return page_or_part(
        request,
        "onboarding/overview/overview.html",
        "onboarding/overview/_overview_part.html",
        {"page": page},
    )


def _page(request: HttpRequest, fleet: Fleet | None, now: datetime) -> OverviewPage:
    reach = access.reach_of(request.user)
    rows = standings(reach, fleet, now)
    numbers = numbers_by_state(rows)
    by_value = counts_by(rows, *(column for _, column in BREAKDOWNS))
    may = access.rights_of(request.user)
    state, sentence = _verdict(fleet, numbers)
    hubs = freshness.hub_rows(reach, fleet, now, with_clusters=True)
    return OverviewPage(
        state=state,
        sentence=sentence,
        as_of=freshness.oldest(hubs),
        counts=state_counts(numbers),
        stats=_stats(request, fleet, rows, sum(numbers.values())) if fleet else (),
        stages=_stages(rows),
        waiting=_waiting(request, fleet),
        problems=problems(rows),
        breakdowns=tuple(
            _breakdown(title, column, by_value[column]) for title, column in BREAKDOWNS
        ),
        durations=durations_part(fleet),
        recent_changes=_recent(fleet, request),
        hubs=hubs,
        register_url=reverse("cluster-register") if fleet and Right.REQUEST in may else "",
        has_fleet=fleet is not None,
        setup_url=access.setup_url_for(request),
        refresh_url=request.get_full_path(),
    )


def _verdict(fleet: Fleet | None, counts: Mapping[str, int]) -> tuple[str, str]:
    """The fleet's worst news in one word and one sentence."""
    if fleet is None:
        return "Unknown", "No fleet is configured yet."
    if fleet.index_problem:
        return "Stale", f"The repository cannot be read. {fleet.index_problem}"
    total = sum(counts.values())
    if not total:
        return "Unknown", "No cluster is registered yet."
    bad = {state: counts[state.value] for state in BAD if state.value in counts}
    if bad:
        parts = ", ".join(f"{count} {state.word.lower()}" for state, count in bad.items())
        verb = "needs" if sum(bad.values()) == 1 else "need"
        return next(
            iter(bad)
        ).word, f"{sum(bad.values())} of {total} clusters {verb} a look: {parts}."
    under_way = total - counts.get(ClusterState.HEALTHY.value, 0)
    if under_way:
        verb = "is" if under_way == 1 else "are"
        return (
            "Progressing",
            f"{under_way} of {total} clusters {verb} on the way; nothing is wrong.",
        )
    return "Healthy", f"All {total} clusters are healthy."


def _stats(request: HttpRequest, fleet: Fleet, rows: StandingRows, total: int) -> tuple[Stat, ...]:
    """Numbers of this fleet, each the length of the list that it leads to."""
    here = {"in_fleet": [fleet.name]}
    submitted = [DecisionState.SUBMITTED.value]
    approved = [DecisionState.APPROVED.value]
    mine, mine_url = waits_for(request).filter(fleet=fleet).count(), reverse("change-list")
    asked, asked_url = tally(request, state=submitted, **here)
    moving, moving_url = tally(request, state=approved, delivery=list(ON_THE_WAY), **here)
    failed, failed_url = tally(
        request, state=approved, delivery=[DeliveryState.FAILED.value], **here
    )
    return (
        Stat("Clusters", total, reverse("cluster-list"), note=_in_git(rows, total)),
        Stat("Waits for me", mine, f"{mine_url}?{urlencode({'inbox': 'me', **here}, doseq=True)}"),
        Stat("Waits for approval", asked, asked_url, since=_first_asked(request, fleet)),
        Stat("On the way to Git", moving, moving_url),
        Stat("Failed deliveries", failed, failed_url, word="Failed" if failed else ""),
        *_merged_differently(request, here),
    )


def _merged_differently(request: HttpRequest, here: dict[str, list[str]]) -> tuple[Stat, ...]:
    """The alarm about pull requests that brought something else than was approved, if there is one."""
    state = DeliveryState.MERGED_DIFFERENTLY
    number, url = tally(request, delivery=[state.value], **here)
    return (Stat(state.word, number, url, word="Failed"),) if number else ()


def _in_git(rows: StandingRows, total: int) -> str:
    """What the number of clusters is made of, where not all of them are in Git."""
    asked = rows.filter(cluster__isnull=True).count()
    return f"{total - asked} in Git, {asked} asked for" if asked else "all of them in Git"


def _first_asked(request: HttpRequest, fleet: Fleet) -> datetime | None:
    waiting = access.changes_for(request).filter(fleet=fleet, state=DecisionState.SUBMITTED.value)
    found: datetime | None = waiting.aggregate(first=Min("submitted_at"))["first"]
    return found


def _stages(rows: StandingRows) -> tuple[StageCount, ...]:
    """How many clusters are on their way, by the stage that they have not reached yet."""
    moving = rows.exclude(shown=ClusterState.HEALTHY.value).exclude(stage="")
    found = {stage: (count, oldest) for stage, count, oldest in _by_stage(moving)}
    return tuple(
        StageCount(
            title=stage.words,
            count=found[stage.value][0],
            oldest=found[stage.value][1],
            url=list_url(stage=stage.value),
        )
        for stage in Stage
        if stage.value in found
    )


def _by_stage(rows: StandingRows) -> list[tuple[str, int, datetime | None]]:
    grouped = rows.order_by().values("stage").annotate(count=CountOf("pk"), oldest=Min("since"))
    return [(row["stage"], row["count"], row["oldest"]) for row in grouped]


def _waiting(request: HttpRequest, fleet: Fleet | None) -> tuple[Waiting, ...]:
    rows = (
        waits_for(request)
        .filter(fleet=fleet)
        .select_related("requester")
        .order_by("submitted_at")[:5]
    )
    return tuple(
        Waiting(
            title=f"#{change.pk} {title_of(change)}",
            url=reverse("change-detail", args=[change.pk]),
            waits_for="your approval"
            if change.state == DecisionState.SUBMITTED.value
            else "a new request: its approval lapsed",
            since=change.submitted_at,
        )
        for change in rows
    )


def _breakdown(title: str, column: str, found: Mapping[str, tuple[Count, ...]]) -> Breakdown:
    return Breakdown(
        title=title,
        rows=tuple(
            BreakdownRow(
                label=value.capitalize() if column == "model" else value,
                url=list_url(**{column: value}),
                counts=counts,
            )
            for value, counts in islice(found.items(), _MOST_BARS)
        ),
        more=max(0, len(found) - _MOST_BARS),
    )


def _recent(fleet: Fleet | None, request: HttpRequest) -> tuple[ChangeRow, ...]:
    rows = list(
        access.changes_for(request)
        .filter(fleet=fleet)
        .exclude(state=DecisionState.DRAFT.value)
        .select_related("requester")
        .order_by("-updated_at")[:6]
    )
    deliveries = {
        row.change_id: row for row in Delivery.objects.filter(change__in=rows).order_by("pk")
    }
    return tuple(change_row(row, deliveries.get(row.pk)) for row in rows)
