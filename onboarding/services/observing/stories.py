"""Stories: one cluster's way told from the rows of decision, delivery and observation.

Nothing is decided here. `domain.progress` tells the story; this module gathers its facts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from onboarding.domain.applications import moment
from onboarding.domain.credential_clock import CredentialClock
from onboarding.domain.credentials import SecretPresence
from onboarding.domain.drift import labels_differ
from onboarding.domain.labels import SKIP_RECONCILE, is_paused
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.progress import (
    ExternalSecretFacts,
    Facts,
    LabelDifference,
    Stage,
    Timeline,
    timeline,
)
from onboarding.domain.sync import Rollup, Verdict, VerdictState, rollup
from onboarding.models import (
    Change,
    Cluster,
    ClusterPause,
    ClusterStatus,
    Delivery,
    Hub,
    HubObject,
)
from onboarding.ports import Clock, HubKind
from onboarding.services.observing import controller_watch, durations, set_controller_watch
from onboarding.services.observing.application_rows import SeenApplication
from onboarding.services.observing.credential_facts import NEVER_ASKED, clock_of
from onboarding.services.observing.hub_view import HubView
from onboarding.services.observing.leaving import Leaving, leaving_of
from onboarding.services.observing.looking import HUB_TOLD
from onboarding.services.observing.own_argo import OwnArgo, groups_of
from onboarding.services.observing.verdicts import STALE_AFTER

_NO_HISTORY: Mapping[Stage, timedelta] = MappingProxyType({})
PAUSED_SAYS = "Argo CD leaves its cluster alone: what it said last is old."
# Source: Argo CD 3.2's ApplicationSet controller ends its round by these; after any other it goes on.
_OF_THE_WHOLE_SET = frozenset({"ApplicationGenerationFromParamsError", "RenderTemplateParamsError"})


@dataclass(frozen=True, slots=True)
class Story:
    """One cluster told: its timeline, and the rollup of its Applications (None: nobody looked).

    `credentials` says where the newest credentials are. `drift` is the number of labels on the live
    cluster secret that are not as Git says; None while the hub has not had time to follow Git's
    newest commit.
    """

    timeline: Timeline
    applications: Rollup | None
    seen_at: datetime | None
    drift: int | None = 0
    credentials: CredentialClock = NEVER_ASKED


def story(
    *,
    cluster: Cluster | None,
    change: Change | None,
    hub: Hub | None,
    clock: Clock,
    seen: HubView | None = None,
) -> Story:
    """Tell one cluster's way: `cluster` as Git has it, `change` the newest one about it (either may be None).

    `hub` is its hub, None where it is not configured; `seen` is what that says of it, where it is read already.
    """
    hub_name = cluster.hub_name if cluster else (change.hub.name if change and change.hub else "")
    name = cluster.name if cluster else change.cluster_name if change else ""
    seen = seen or HubView(hub, only=[name])
    delivery = change.deliveries.order_by("-pk").first() if change else None
    told = change is not None and change.events.filter(verb=HUB_TOLD).exists()
    fleet = cluster.fleet if cluster else change.fleet if change else None
    return tell(
        cluster=cluster,
        change=change,
        delivery=delivery,
        seen=seen,
        now=clock.now(),
        leaving=leaving_of(hub_name=hub_name, names=[name]).get(name),
        hub_told=told,
        usual=durations.usual(fleet, besides=change) if fleet else _NO_HISTORY,
    )


def registration_of(cluster: Cluster) -> Change | None:
    """The change that registered a cluster, where it was registered here."""
    rows = Change.objects.filter(
        fleet=cluster.fleet_id, hub__name=cluster.hub_name, cluster_name=cluster.name
    )
    return (
        rows.filter(kind=Change.Kind.REGISTER, state=DecisionState.APPROVED.value)
        .order_by("-pk")
        .first()
    )


def tell(
    *,
    cluster: Cluster | None,
    change: Change | None,
    delivery: Delivery | None,
    seen: HubView,
    now: datetime,
    hub_told: bool,
    usual: Mapping[Stage, timedelta] = _NO_HISTORY,
    leaving: Leaving | None = None,
) -> Story:
    """Tell one cluster's way from rows already read; `seen` is what its hub was last seen to say.

    `hub_told` says that the hub was told to look since the commit, `usual` how long each stage
    usually takes; for a line of a list that is not needed. `leaving` is its offboarding, if it has one.
    """
    name = cluster.name if cluster else change.cluster_name if change else ""
    rows = seen.applications.get(name, [])
    looked = seen.watch is not None and seen.watch.seen_at is not None
    groups = groups_of(cluster)
    own = seen.own.get(name) if groups else None
    told: Iterable[Verdict] = map(_verdict, rows)
    if is_paused(_skip_reconcile(seen.registered.get(name))):
        # Nobody compares them any more: what they said last is old, however well it sounds.
        told = (Verdict(VerdictState.STALE, PAUSED_SAYS) for _ in rows)
    verdicts = [*told, *_own_verdicts(own, now)]
    total = rollup(verdicts) if looked else None
    facts = _facts(cluster, change, delivery, seen, rows, total)
    facts = replace(facts, webhook=hub_told, own_groups=groups, labels_settled=seen.labels_settled)
    if own is not None and own.seen_at is not None:
        facts = _with_own(facts, own)
    if leaving is not None:
        facts = replace(
            facts,
            removing=True,
            removing_says=leaving.says,
            removing_remedy=leaving.remedy,
        )
    return Story(
        timeline(facts, now=now, usual=usual),
        total,
        seen.watch.seen_at if seen.watch else None,
        drift=_drift(cluster, seen.registered.get(name)) if seen.labels_settled else None,
        credentials=clock_of(seen.external_secret(name), seen.registered.get(name), now=now),
    )


def _own_verdicts(own: OwnArgo | None, now: datetime) -> Iterable[Verdict]:
    """The verdicts of what a spoke's own Argo CD has; stale while it is not heard of."""
    if own is None or own.seen_at is None:
        return ()
    if now - own.seen_at > STALE_AFTER:
        said = "Its own Argo CD has not been heard of for a while."
        return (Verdict(VerdictState.STALE, said) for _ in own.applications)
    return map(_verdict, own.applications)


def _with_own(facts: Facts, own: OwnArgo) -> Facts:
    """The facts of a cluster with what its own Argo CD deploys counted in."""
    failed = [row for row in own.applications if row.verdict == VerdictState.FAILED.value]
    rows = own.applications
    return replace(
        facts,
        own_seen_at=own.seen_at,
        own_applications=len(rows),
        failures=(*facts.failures, *((row.name, row.reason) for row in failed)),
        synced_at=_when_all([facts.synced_at, *(row.synced_at for row in rows)]),
        healthy_at=_when_all([facts.healthy_at, *(row.healthy_at for row in rows)]),
    )


def _drift(cluster: Cluster | None, registered: ClusterStatus | None) -> int:
    if cluster is None or registered is None or cluster.problem:
        return 0
    git = {key: data["value"] for key, data in cluster.labels.items()}
    return len(labels_differ(git, registered.labels))


def _verdict(row: SeenApplication) -> Verdict:
    state = VerdictState(row.verdict) if row.verdict else VerdictState.UNKNOWN
    # Argo CD's word alone may be old, or of what was asked for before.
    synced = row.synced_at is not None and state is not VerdictState.STALE
    return Verdict(state, row.reason, synced=synced)


def _facts(
    cluster: Cluster | None,
    change: Change | None,
    delivery: Delivery | None,
    seen: HubView,
    rows: Sequence[SeenApplication],
    total: Rollup | None,
) -> Facts:
    """Every fact about one cluster; what nobody saw stays absent."""
    name = cluster.name if cluster else change.cluster_name if change else ""
    watch = seen.watch
    registration, registered = seen.registrations.get(name), seen.registered.get(name)
    about_registration = change if change and change.kind == Change.Kind.REGISTER else None
    decided = about_registration or (change if cluster is None else None)
    hub_silent, hub_problem = seen.silence(HubKind.APPLICATIONS.value)
    argocd_silent, argocd_problem = seen.silence("clusters")
    controller_silent, controller_problem = seen.silence(controller_watch.PART)
    sets_silent, sets_problem = seen.silence(set_controller_watch.PART)
    if controller_silent is None and registered is not None and registered.untried_since:
        controller_silent = registered.untried_since
        controller_problem = controller_watch.OTHERS_TRIED
    return Facts(
        decision=DecisionState(decided.state) if decided else None,
        submitted_at=decided.submitted_at if decided else None,
        approved_at=decided.decided_at
        if decided and decided.state == DecisionState.APPROVED.value
        else None,
        delivery=DeliveryState(delivery.state) if delivery and decided else None,
        delivery_reason=delivery.reason if delivery and decided else "",
        commit=delivery.commit if delivery and decided else "",
        committed_at=delivery.committed_at if delivery and decided else None,
        in_git=cluster is not None,
        hub_seen_at=watch.seen_at if watch else None,
        hub_problem=hub_problem or (watch.problem if watch else seen.problem),
        hub_silent_since=hub_silent,
        argocd_silent_since=argocd_silent,
        argocd_problem=argocd_problem,
        controller_silent_since=controller_silent,
        controller_problem=controller_problem,
        sets_silent_since=sets_silent,
        sets_problem=sets_problem,
        noticed_at=registration.first_seen_at if registration else None,
        files_problem=cluster.problem if cluster else "",
        registration_problem=(stuck := _registration_problem(registration, seen)),
        registration_says=_says(registration),
        broken_members=_others_broken(cluster, seen) if stuck and registration is None else (),
        external_secret=_external_secret(name, seen),
        paused=is_paused(_skip_reconcile(registered)),
        pause_says=_pause_says(seen.pauses.get(name)),
        pausing=cluster is not None and SKIP_RECONCILE in cluster.annotations,
        registered_at=registered.first_seen_at if registered else None,
        clusters_seen_at=watch.clusters_seen_at if watch else None,
        label_differences=_differences(cluster, registered),
        same_server=_same_server(name, registered, seen),
        same_name=tuple(sorted(seen.doubled.get(name, ()))),
        connection=registered.connection if registered else "",
        connection_message=registered.connection_message if registered else "",
        matched=_matched(registered, rows, seen),
        matched_at=min((_made_at(row) for row in rows), default=None),
        set_problems=_set_problems(registered, rows, seen),
        unwatched=registered.unwatched if registered else 0,
        uncompared=sum(not row.sync for row in rows),
        applications=total,
        failures=tuple(
            (row.name, row.reason) for row in rows if row.verdict == VerdictState.FAILED.value
        ),
        synced_at=_when_all(row.synced_at for row in rows),
        healthy_at=_when_all(row.healthy_at for row in rows),
    )


def _skip_reconcile(registered: ClusterStatus | None) -> str | None:
    """What the live cluster secret says of being left alone."""
    return registered.annotations.get(SKIP_RECONCILE) if registered else None


def _pause_says(pause: ClusterPause | None) -> str:
    if pause is None:
        return ""
    return (
        f"Paused by {pause.owner.get_username()} until {pause.until:%Y-%m-%d %H:%M} UTC: "
        f"{pause.reason}"
    )


def _registration_problem(registration: SeenApplication | None, seen: HubView) -> str:
    """Why the hub cannot register: the cluster's registration Application, or a set that fails."""
    if registration is not None:
        return registration.reason if registration.verdict == VerdictState.FAILED.value else ""
    failing = [row for row in seen.sets if row.ready is False and _reads_members(row)]
    return f"ApplicationSet {failing[0].name}: {failing[0].message}" if failing else ""


def _says(registration: SeenApplication | None) -> str:
    """What the registration Application says while it is not well; a failure is told elsewhere."""
    quiet = {VerdictState.HEALTHY.value, VerdictState.FAILED.value}
    return "" if registration is None or registration.verdict in quiet else registration.reason


def _others_broken(cluster: Cluster | None, seen: HubView) -> tuple[str, ...]:
    own = cluster.path if cluster else ""
    return tuple(path for path in seen.broken_members if path != own)


def _set_problems(
    registered: ClusterStatus | None, rows: Sequence[SeenApplication], seen: HubView
) -> tuple[tuple[str, str], ...]:
    """The sets that select the cluster, report an error, and have made nothing for it.

    Also those that have made something where the error is of the whole set: then it changes nothing
    any more, and its Applications stay as they were, however well they are.
    """
    failing = {row.name: row.message for row in seen.sets if row.ready is False}
    if registered is None or not failing:
        return ()
    whole = {row.name for row in seen.sets if row.facts.get("reason") in _OF_THE_WHOLE_SET}
    made = {row.application_set for row in rows}
    stuck = (seen.selecting(registered.labels) & failing.keys()) - (made - whole)
    return tuple((name, failing[name]) for name in sorted(stuck))


def _reads_members(row: HubObject) -> bool:
    return "fleet-members" in str(row.facts.get("spec", ""))


def _external_secret(name: str, seen: HubView) -> ExternalSecretFacts | None:
    found = seen.external_secret(name)
    if found is None:
        return None
    store = seen.stores.get(str(found.facts.get("store", "")))
    return ExternalSecretFacts(
        ready=found.ready,
        reason=str(found.facts.get("reason", "")),
        message=found.message,
        at=found.changed_at,
        store_ready=store.ready if store else None,
        store_message=store.message if store else "",
        presence=SecretPresence(found.presence) if found.presence else None,
        presence_detail=found.presence_detail,
        complaint=found.complaint,
    )


def _differences(
    cluster: Cluster | None, registered: ClusterStatus | None
) -> tuple[LabelDifference, ...]:
    """The labels of Git that the live cluster secret does not carry as predicted."""
    if cluster is None or registered is None:
        return ()
    live: Mapping[str, str] = registered.labels
    return tuple(
        LabelDifference(key=key, predicted=data["value"], live=live.get(key))
        for key, data in sorted(cluster.labels.items())
        if live.get(key) != data["value"]
    )


def _same_server(name: str, registered: ClusterStatus | None, seen: HubView) -> tuple[str, ...]:
    if registered is None:
        return ()
    return tuple(sorted(other for other in seen.servers[registered.server] if other != name))


def _matched(
    registered: ClusterStatus | None, rows: Sequence[SeenApplication], seen: HubView
) -> int | None:
    """How many ApplicationSets select the cluster: by its Applications, and by its live labels."""
    if registered is None:
        return None
    made = {row.application_set for row in rows if row.application_set}
    if not seen.sets:
        return len(made) or None
    return len(seen.selecting(registered.labels) | made)


def _made_at(row: SeenApplication) -> datetime:
    """When an Application was made by its ApplicationSet; at the latest when it was first seen."""
    made = moment(row.made_at)
    return min(made, row.first_seen_at) if made else row.first_seen_at


def _when_all(times: Iterable[datetime | None]) -> datetime | None:
    """When the last of all was reached; None where one was not."""
    found = list(times)
    if not found or any(moment is None for moment in found):
        return None
    return max(moment for moment in found if moment is not None)
