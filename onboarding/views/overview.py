"""The overview: is the fleet well, and who has to do what next?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from itertools import islice

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.domain.progress import ClusterState, Stage
from onboarding.models import Delivery, Fleet, Rollout
from onboarding.services.observing import pulses
from onboarding.services.observing.kept_counts import Counted, kept_counts
from onboarding.services.rights import Reach
from onboarding.views import access, freshness
from onboarding.views.change_list_page import ON_THE_WAY, Tallies
from onboarding.views.change_page import row_of as change_row
from onboarding.views.change_page import title_of
from onboarding.views.duration_part import durations_part
from onboarding.views.frame import waiting_count, waits_for
from onboarding.views.pages import (
    Breakdown,
    BreakdownRow,
    ChangeRow,
    Count,
    OverviewPage,
    Problem,
    StageCount,
    Stat,
    Waiting,
)
from onboarding.views.partials import page_or_part
from onboarding.views.pause_part import PAUSES
from onboarding.views.problems import BAD, problems
from onboarding.views.standing_counts import Alike, StandingCounts
from onboarding.views.standing_rows import list_url, oldest, standings

BREAKDOWNS = (
    ("Tenants", "tenant"),
    ("Environments", "environment"),
    ("Add-ons channel", "addons_release"),
    ("Deployment model", "model"),
)

_MOST_BARS = 12
_MOST_PAUSED = 3


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
    counted = StandingCounts.of_fleet(reach, fleet, now)
    may = access.rights_of(request.user)
    numbers = counted.numbers()
    state, sentence = _verdict(fleet, numbers)
    hubs = freshness.hub_rows(reach, fleet, now, clusters=counted.numbers("hub_name"))
    return OverviewPage(
        state=state,
        sentence=sentence,
        as_of=freshness.oldest(hubs),
        counts=counted.by_state(),
        stats=_stats(request, fleet, counted) if fleet else (),
        stages=_stages(counted),
        waiting=(*_paused(request, fleet), *_waiting(request, fleet)),
        problems=_problems(reach, fleet, now, counted),
        breakdowns=tuple(
            _breakdown(title, column, counted.by(column)) for title, column in BREAKDOWNS
        ),
        durations=durations_part(fleet),
        recent_changes=_recent(fleet, request),
        hubs=hubs,
        register_url=reverse("cluster-register") if fleet and Right.REQUEST in may else "",
        has_fleet=fleet is not None,
        setup_url=access.setup_url_for(request),
        refresh_url=request.get_full_path(),
    )


def _problems(
    reach: Reach, fleet: Fleet | None, now: datetime, counted: StandingCounts
) -> tuple[Problem, ...]:
    """What is wrong by cause, looked for once until a cluster moves, and only where something is."""
    if fleet is None or not any(bad.value in counted.numbers() for bad in BAD):
        return ()
    return kept_counts.of(
        ("problems", fleet.pk, reach.key),
        version=pulses.number_of(fleet),
        now=now,
        count=lambda: Counted(problems(standings(reach, fleet, now)), counted.true_until),
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


def _stats(request: HttpRequest, fleet: Fleet, clusters: StandingCounts) -> tuple[Stat, ...]:
    """Numbers of this fleet, each the length of the list that it leads to."""
    here = {"in_fleet": [fleet.name]}
    submitted = [DecisionState.SUBMITTED.value]
    approved = [DecisionState.APPROVED.value]
    mine, mine_url = _waiting_here(request, fleet), reverse("change-list")
    tallies = Tallies(request, **here)
    asked = tallies.of(state=submitted)
    moving = tallies.of(state=approved, delivery=ON_THE_WAY)
    failed = tallies.of(state=approved, delivery=[DeliveryState.FAILED.value])
    return (
        Stat("Clusters", clusters.total, reverse("cluster-list"), note=_in_git(clusters)),
        Stat("Waits for me", mine, f"{mine_url}?{urlencode({'inbox': 'me', **here}, doseq=True)}"),
        Stat("Waits for approval", asked.count, asked.url, since=asked.since),
        Stat("On the way to Git", moving.count, moving.url),
        Stat("Failed deliveries", failed.count, failed.url, word="Failed" if failed.count else ""),
        *_merged_differently(tallies),
    )


def _merged_differently(tallies: Tallies) -> tuple[Stat, ...]:
    """The alarm about pull requests that brought something else than was approved, if there is one."""
    state = DeliveryState.MERGED_DIFFERENTLY
    found = tallies.of(delivery=[state.value])
    return (Stat(state.word, found.count, found.url, word="Failed"),) if found.count else ()


def _in_git(clusters: StandingCounts) -> str:
    """What the number of clusters is made of, where not all of them are in Git."""
    asked = clusters.numbers("asked").get(True, 0)
    in_git = clusters.total - asked
    return f"{in_git} in Git, {asked} asked for" if asked else "all of them in Git"


def _stages(clusters: StandingCounts) -> tuple[StageCount, ...]:
    """How many clusters are on their way, by the stage that they have not reached yet."""
    found: dict[str, list[Alike]] = defaultdict(list)
    for some in clusters.alike:
        if some.state != ClusterState.HEALTHY.value:
            found[some.values["stage"]].append(some)
    return tuple(
        StageCount(
            title=stage.words,
            count=sum(some.count for some in found[stage.value]),
            oldest=oldest(some.since for some in found[stage.value]),
            url=list_url(stage=stage.value),
        )
        for stage in Stage
        if stage.value in found
    )


def _waiting_here(request: HttpRequest, fleet: Fleet) -> int:
    """How many changes of this fleet wait for this person; of the only one, all that do."""
    if len(access.fleets_for(request)) == 1:
        return waiting_count(request)
    return waits_for(request).filter(fleet=fleet).count()


def _paused(request: HttpRequest, fleet: Fleet | None) -> tuple[Waiting, ...]:
    """The rollouts that stand still until somebody decides how they go on."""
    paused = access.rollouts_for(request).filter(fleet=fleet, state=Rollout.State.PAUSED)
    return tuple(
        Waiting(
            title=f"Rollout {rollout.title}",
            url=reverse("rollout-detail", args=[rollout.pk]),
            waits_for=f"somebody who continues or reverts it. {rollout.note}",
            since=None,
        )
        for rollout in paused[:_MOST_PAUSED]
    )


def _waiting(request: HttpRequest, fleet: Fleet | None) -> tuple[Waiting, ...]:
    if not waiting_count(request):
        return ()
    rows = (
        waits_for(request)
        .filter(fleet=fleet)
        .select_related("requester", *PAUSES)
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
        .select_related("requester", *PAUSES)
        .order_by("-updated_at")[:6]
    )
    deliveries = {
        row.change_id: row for row in Delivery.objects.filter(change__in=rows).order_by("pk")
    }
    return tuple(change_row(row, deliveries.get(row.pk)) for row in rows)
