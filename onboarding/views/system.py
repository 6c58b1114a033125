"""System: is the product itself well?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min, Sum
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from onboarding import wiring
from onboarding.domain.alarms import Alarm
from onboarding.domain.applications import moment
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.models import ClusterStatus, Delivery, Event, Fleet, Heartbeat, Hub, WriterLease
from onboarding.ports import HubKind
from onboarding.services.observing import controller_watch, set_controller_watch
from onboarding.services.observing.hub_text import as_map, text
from onboarding.views import access, freshness
from onboarding.views.change_list_page import Tallies
from onboarding.views.pages import HistoryEntry, Part, Stat, SystemPage
from onboarding.views.partials import page_or_part

OPEN = (DeliveryState.QUEUED.value, DeliveryState.PUSHING.value)
QUIET = timedelta(minutes=2)
LATE = timedelta(minutes=1)
_KINDS: dict[str, str] = {
    HubKind.APPLICATIONS: "Applications",
    HubKind.APPLICATION_SETS: "ApplicationSets",
    HubKind.EXTERNAL_SECRETS: "ExternalSecrets",
    HubKind.SECRET_STORES: "SecretStores",
}


@require_GET
def system(request: HttpRequest) -> HttpResponse:
    """Queue age, writer, watchers, index: each with its last success."""
    access.whole_installation_for(request)
    now = wiring.clock().now()
    parts = (*_alarms(), *_writers(now), *_indexes(now), *_hubs(now), *_loops(now))
    bad = [part for part in parts if part.state not in ("Works", "Idle")]
    page = SystemPage(
        state="Degraded" if bad else "Healthy",
        sentence=f"{bad[0].name}: {bad[0].sentence}"
        if bad
        else "Every part completed its last loop.",
        as_of=now,
        stats=_stats(request),
        parts=parts,
        events=_events(),
        refresh_url=request.get_full_path(),
    )
    return page_or_part(
        request,
        "onboarding/system/system.html",
        "onboarding/system/_system_part.html",
        {"page": page},
    )


def _stats(request: HttpRequest) -> tuple[Stat, ...]:
    approved = [DecisionState.APPROVED.value]
    oldest = Delivery.objects.filter(state__in=OPEN).aggregate(first=Min("queued_at"))["first"]
    tallies = Tallies(request)
    waiting = tallies.of(state=approved, delivery=OPEN)
    failed = tallies.of(state=approved, delivery=[DeliveryState.FAILED.value])
    return (
        Stat("Approved, not in Git yet", waiting.count, waiting.url, since=oldest),
        Stat("Failed deliveries", failed.count, failed.url, word="Failed" if failed.count else ""),
        Stat("Events in the audit trail", Event.objects.count()),
    )


def _alarms() -> tuple[Part, ...]:
    """What only a person can mend between us and the remotes, each with the changes that it holds up."""
    raised = (
        Delivery.objects.exclude(alarm="")
        .values("fleet__name", "alarm")
        .annotate(count=Count("pk"), first=Min("change_id"))
        .order_by("fleet__name", "alarm")
    )
    return tuple(
        Part(
            name=f"{Alarm(row['alarm']).word}: {row['fleet__name']}",
            state="Failed",
            sentence=f"{row['count']} changes are concerned; the first is #{row['first']}."
            if row["count"] > 1
            else f"Change #{row['first']} is concerned.",
            icon="triangle-alert",
            advice=Alarm(row["alarm"]).advice,
        )
        for row in raised
    )


def _writers(now: datetime) -> tuple[Part, ...]:
    parts = []
    for fleet in Fleet.objects.all():
        waiting = Delivery.objects.filter(fleet=fleet, state__in=OPEN).aggregate(
            first=Min("queued_at")
        )["first"]
        lease = WriterLease.objects.filter(fleet=fleet).first()
        last = (
            Delivery.objects.filter(fleet=fleet, committed_at__isnull=False)
            .order_by("-committed_at")
            .values_list("committed_at", flat=True)
            .first()
        )
        late = waiting is not None and now - waiting > LATE
        held = lease is not None and lease.until is not None and lease.until > now
        sentence = "Nothing waits."
        if waiting:
            sentence = "Approved changes wait for a worker." if late else "Writing."
        parts.append(
            Part(
                name=f"Writer of {fleet.name}",
                state="Stale" if late else "Works" if held or waiting else "Idle",
                sentence=sentence,
                last_success=last,
                icon="git-commit-horizontal",
                advice="Is a Celery worker running, and the remote reachable? The change's page has the reason."
                if late
                else "",
            )
        )
    return tuple(parts)


def _indexes(now: datetime) -> tuple[Part, ...]:
    return tuple(
        Part(
            name=f"Repository of {fleet.name}",
            state="Failed"
            if fleet.index_problem
            else "Works"
            if _recent(fleet.indexed_at, now)
            else "Stale",
            sentence=fleet.index_problem
            or f"Read at commit {fleet.indexed_commit[:10] or 'none yet'}.",
            last_success=fleet.indexed_at,
            icon="git-branch",
        )
        for fleet in Fleet.objects.all()
    )


def _hubs(now: datetime) -> tuple[Part, ...]:
    """Of each hub its watcher, and the two controllers of its Argo CD that nothing else tells of."""
    words = {
        "Connected": "Works",
        "Degraded": "Degraded",
        "Unreachable": "Unreachable",
        "Stale": "Stale",
        "Never seen": "Unknown",
    }
    parts = []
    for hub in Hub.objects.select_related("watch"):
        row = freshness.hub_row(hub, now)
        parts.append(
            Part(
                name=f"Watcher of {hub.name}",
                state=words[row.state],
                sentence=f"{row.reason or 'Follows the hub.'} {_unwatched(hub)}".strip(),
                last_success=row.seen_at,
                icon="eye",
            )
        )
        if row.state in ("Connected", "Degraded"):
            parts += _controllers(hub)
    return tuple(parts)


def _unwatched(hub: Hub) -> str:
    """What of a hub is not watched, as its Argo CD counts it; "" where all is."""
    more = ClusterStatus.objects.filter(hub=hub, unwatched__gt=0)
    found = more.aggregate(clusters=Count("pk"), applications=Sum("unwatched"))
    if not found["clusters"]:
        return ""
    clusters = "1 cluster" if found["clusters"] == 1 else f"{found['clusters']} clusters"
    return (
        f"Not watched, for they are outside Argo CD's own namespace: {found['applications']} more "
        f"Applications of {clusters}."
    )


def _controllers(hub: Hub) -> Iterator[Part]:
    """What was last seen of the controllers of a hub that is heard of."""
    tries = as_map(hub.watch.kinds.get(controller_watch.PART))
    looks = as_map(hub.watch.kinds.get(set_controller_watch.PART))
    tried, looked = moment(tries.get("moved_at")), moment(looks.get("looked_at"))
    unknown = text(looks.get("unknown"))
    yield _controller(
        f"Application controller of {hub.name}",
        tried,
        problem=text(tries.get("problem")),
        says="Tries the clusters." if tried else "Argo CD does not say when it tried a cluster.",
        advice="Look at argocd-application-controller on the hub.",
    )
    yield _controller(
        f"ApplicationSet controller of {hub.name}",
        looked,
        problem=text(looks.get("problem")),
        unknown="" if unknown == set_controller_watch.NO_SET else unknown,
        says=unknown
        or ("Looks at Git when it is asked to." if looked else "It was not seen to look yet."),
        advice="Look at argocd-applicationset-controller on the hub.",
    )


def _controller(
    name: str, at: datetime | None, *, problem: str, says: str, advice: str, unknown: str = ""
) -> Part:
    """One controller, seen to work at a time; `unknown` is what keeps us from knowing."""
    state = "Degraded" if problem else "Unknown" if unknown else "Works" if at else "Idle"
    return Part(
        name=name,
        state=state,
        sentence=problem or unknown or says,
        last_success=at,
        icon="settings-2",
        advice=advice if problem else "",
    )


def _loops(now: datetime) -> tuple[Part, ...]:
    return tuple(
        Part(
            name=_name_of(beat.part),
            state="Works" if _recent(beat.at, now) else "Stale",
            sentence="Completed its last loop."
            if _recent(beat.at, now)
            else "Has not completed a loop for a while.",
            last_success=beat.at,
            icon="heart-pulse",
        )
        for beat in Heartbeat.objects.exclude(part__startswith="index:")
    )


def _name_of(part: str) -> str:
    """A heartbeat's part in words: `watch:hub:applications` is what the watcher does there."""
    match part.split(":"):
        case ["watch", hub, what]:
            return f"Watch of {_KINDS.get(what, what)} on {hub}"
        case ["standings", fleet]:
            return f"Standings of {fleet}"
        case ["sweep"]:
            return "Sweep of what waits for its delivery"
    return part.capitalize()


def _events() -> tuple[HistoryEntry, ...]:
    rows = Event.objects.select_related("actor", "change").order_by("-pk")[:15]
    return tuple(
        HistoryEntry(
            title=event.message or event.verb,
            at=event.at,
            who=event.actor.get_username() if event.actor else "Fleet UI",
            icon="circle-dot",
            detail=f"change #{event.change_id}" if event.change_id else event.cluster_name,
        )
        for event in rows
    )


def _recent(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at < QUIET
