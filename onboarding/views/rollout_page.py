"""Rollouts as their pages show them: the list, one with its waves, and a new one as it would be."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count as CountOf
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse

from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.roles import Place
from onboarding.domain.rollout import Health, RowFacts, RowState
from onboarding.models import Change, Fleet, Rollout, RolloutRow, RolloutWave
from onboarding.services import places, policies, rollouts
from onboarding.services.rollout_facts import gather
from onboarding.services.rollouts import PlannedRow, Proposal
from onboarding.views import access, listing, policy_part
from onboarding.views.decision_part import of_whole
from onboarding.views.left_out import by_reason, left_out
from onboarding.views.pages import (
    Count,
    Decision,
    Link,
    RolloutClusterRow,
    RolloutFormPage,
    RolloutLine,
    RolloutListPage,
    RolloutPage,
    RolloutPreviewRow,
    RolloutPreviewWave,
    RolloutVerb,
    RolloutWavePart,
)

if TYPE_CHECKING:
    from onboarding.forms.rollout import RolloutForm

_ROW_WORDS = {
    RowState.HELD: "Held",
    RowState.OPEN: "Waiting for approval",
    RowState.ON_ITS_WAY: "Queued",
    RowState.FAILED: "Failed",
    RowState.DROPPED: "Withdrawn",
}
ROLLOUT_TONES = {
    Rollout.State.PROPOSED: "blue",
    Rollout.State.RUNNING: "blue",
    Rollout.State.PAUSED: "amber",
    Rollout.State.REVERTING: "blue",
    Rollout.State.DONE: "green",
    Rollout.State.REVERTED: "grey",
    Rollout.State.STOPPED: "grey",
}
_WAVE_TONES = {"Waiting": "grey", "Skipped": "grey", "Passed": "green", "Running": "blue"}
_RUNS = (Rollout.State.RUNNING, Rollout.State.PAUSED)
_UNDONE = (Rollout.State.DONE, Rollout.State.STOPPED)


def rollout_list_page(request: HttpRequest, fleet: Fleet | None) -> RolloutListPage:
    """All rollouts of the fleet, newest first, each with how far it is."""
    rows = (
        access.rollouts_for(request)
        .filter(fleet=fleet)
        .select_related("requester")
        .annotate(
            clusters=CountOf("waves__rows", distinct=True),
            wave_count=CountOf("waves", distinct=True),
            waves_done=CountOf(
                "waves",
                filter=Q(waves__passed_at__isnull=False) | Q(waves__skipped_at__isnull=False),
                distinct=True,
            ),
        )
        .order_by("-pk")
    )
    pages, found = listing.paginate(request, rows)
    may_ask = Right.REQUEST in access.rights_of(request.user)
    return RolloutListPage(
        rows=tuple(_line(row) for row in found),
        pages=pages,
        has_fleet=fleet is not None,
        setup_url=access.setup_url_for(request),
        new_url=reverse("rollout-new") if fleet and may_ask else "",
        new_denied="" if may_ask else "Your account may not request changes.",
        refresh_url=request.get_full_path(),
    )


def _line(row: Any) -> RolloutLine:
    return RolloutLine(
        title=row.title,
        url=reverse("rollout-detail", args=[row.pk]),
        state=row.get_state_display(),
        tone=ROLLOUT_TONES[row.state],
        moves=_moves(row),
        note=row.note,
        requester=row.requester.get_username(),
        created_at=row.created_at,
        clusters=row.clusters,
        waves=row.wave_count,
        waves_done=row.waves_done,
    )


def _moves(rollout: Rollout) -> str:
    return f"{rollout.label}: {rollout.source} → {rollout.target}"


def rollout_page(
    request: HttpRequest, rollout: Rollout, *, now: datetime, typed: str = ""
) -> RolloutPage:
    """One rollout: its state, its waves with every cluster, and what may be done with it."""
    seen = gather(rollout, now=now)
    proposed = rollout.state == Rollout.State.PROPOSED
    plans = _plans(rollout) if proposed else {}
    waves = {wave.number: wave for wave in rollout.waves.all()}
    reverts = dict(
        RolloutRow.objects.filter(wave__rollout=rollout, revert__isnull=False).values_list(
            "pk", "revert"
        )
    )
    current = next((one.number for one in seen.waves if not one.passed and not one.skipped), None)
    parts = tuple(
        _wave(
            waves[one.number],
            tuple(_cluster(row, seen.rows[row.key], plans, reverts) for row in one.rows),
            is_open=one.number == current or proposed,
        )
        for one in seen.waves
    )
    touched = places.of_rollout(rollout)
    may_ask = Right.REQUEST in access.rights_of(request.user, *touched)
    is_open = rollout.ended_at is None
    here = reverse("rollout-detail", args=[rollout.pk])
    return RolloutPage(
        title=rollout.title,
        moves=_moves(rollout),
        state=rollout.get_state_display(),
        tone=ROLLOUT_TONES[Rollout.State(rollout.state)],
        note=rollout.note,
        requester=rollout.requester.get_username(),
        patience=timedelta(seconds=rollout.patience),
        waves=parts,
        crumbs=(Link("Rollouts", reverse("rollout-list")),),
        created_at=rollout.created_at,
        approved_at=rollout.approved_at,
        ended_at=rollout.ended_at,
        checked_at=rollout.checked_at,
        left_out=left_out(rollout, request.user),
        verbs=_verbs(rollout) if may_ask else (),
        needs_reason=_reasoned(rollout) if may_ask and is_open else (),
        runs=rollout.state == Rollout.State.RUNNING,
        verbs_denied="" if may_ask or not is_open or proposed else "Your account may not lead it.",
        decision=replace(_decision(request, rollout, touched), reason=typed),
        policy=policy_part.of_whole(policies.demand_on_whole(_waiting(rollout)), now)
        if proposed
        else "",
        refresh_url=here if is_open else "",
        undoes=_link(rollout.undoes) if rollout.undoes else None,
        ways_back=tuple(_link(one) for one in rollout.ways_back.order_by("pk")),
    )


def _link(rollout: Rollout) -> Link:
    return Link(rollout.title, reverse("rollout-detail", args=[rollout.pk]))


def _decision(request: HttpRequest, rollout: Rollout, touched: frozenset[Place]) -> Decision:
    if rollout.state != Rollout.State.PROPOSED:
        return Decision()
    return of_whole(
        request,
        noun="rollout",
        title=rollout.title,
        pk=rollout.pk,
        requester_id=rollout.requester_id,
        touched=touched,
        undecided=_waiting(rollout),
        digest=rollouts.digest_of(rollout),
        approve_label="Approve all waves",
        help_text="An approval covers every row as it is shown here, and its way back. Nothing of a wave "
        "is written before the gate before it has passed.",
    )


def _waiting(rollout: Rollout) -> QuerySet[Change]:
    return Change.objects.filter(
        rollout_row__wave__rollout=rollout, state=DecisionState.SUBMITTED.value
    )


def _plans(rollout: Rollout) -> dict[int, str]:
    """What the plan of each row comes to, while that is to be decided on."""
    rows = Change.objects.filter(rollout_row__wave__rollout=rollout).only("pk", "plan")
    return {row.pk: _impact(row.plan.get("impact", {})) for row in rows}


def _impact(impact: Any) -> str:
    found = [f"{len(impact[key])} {word}" for key, word in _IMPACTS if impact.get(key)]
    return ", ".join(found) or "no Application changes"


_IMPACTS = (("appear", "to appear"), ("change", "to change"), ("disappear", "to disappear"))


def _cluster(
    facts: RowFacts, row: RolloutRow, plans: dict[int, str], reverts: dict[int, int]
) -> RolloutClusterRow:
    in_git = facts.state is RowState.IN_GIT
    back = reverts.get(row.pk)
    return RolloutClusterRow(
        name=facts.name,
        url=reverse("cluster-detail", args=[row.hub.name, row.cluster_name]),
        state=_health_word(facts) if in_git else _ROW_WORDS[facts.state],
        says=_says(facts),
        change=Link(f"#{row.change_id}", reverse("change-detail", args=[row.change_id])),
        applications=plans.get(row.change_id, ""),
        is_destructive=row.change.destructive,
        well_since=facts.well_since,
        is_excused=facts.excused,
        back=Link(f"#{back}", reverse("change-detail", args=[back])) if back else None,
    )


def _health_word(facts: RowFacts) -> str:
    """The cluster's own word; healthy only once the hub follows what was delivered."""
    if facts.differs:
        return "Failed"
    if facts.health is Health.WELL:
        return "Healthy" if facts.is_well else "Progressing"
    return facts.health_says.partition(".")[0] if facts.health_says else "Unknown"


def _says(facts: RowFacts) -> str:
    if facts.state is not RowState.IN_GIT:
        ill = facts.health_says if facts.health is Health.BAD else ""
        return " ".join(one for one in (facts.says, ill) if one)
    if facts.differs:
        return f"The hub did something else than was foreseen. {facts.differs}"
    if facts.health is Health.WELL and not facts.is_well:
        return "In Git; the hub does not show it yet."
    return "" if facts.is_well else facts.health_says.partition(". ")[2]


def _wave(
    wave: RolloutWave, rows: tuple[RolloutClusterRow, ...], *, is_open: bool
) -> RolloutWavePart:
    state = "Waiting"
    if wave.skipped_at:
        state = "Skipped"
    elif wave.passed_at:
        state = "Passed"
    elif wave.released_at:
        state = "Running"
    counts = Counter(row.state for row in rows)
    return RolloutWavePart(
        number=wave.number,
        name=wave.name,
        state=state,
        tone=_WAVE_TONES[state],
        soak=timedelta(seconds=wave.soak),
        rows=rows,
        counts=tuple(Count(word, count) for word, count in sorted(counts.items())),
        released_at=wave.released_at,
        passed_at=wave.passed_at,
        skipped_at=wave.skipped_at,
        is_open=is_open,
    )


def _verbs(rollout: Rollout) -> tuple[RolloutVerb, ...]:
    """What one click does."""
    here = reverse("rollout-detail", args=[rollout.pk])
    if rollout.state in _UNDONE:
        return (
            RolloutVerb(
                "Move back",
                f"{here}revert/",
                "undo-2",
                "Asks that each cluster which it moved goes back by a commit of its own; somebody else "
                "approves that as a whole.",
            ),
        )
    if rollout.state not in _RUNS:
        return ()
    found = []
    if rollout.state == Rollout.State.PAUSED:
        found.append(
            RolloutVerb(
                "Continue",
                f"{here}continue/",
                "play",
                "Goes on; clusters that stop it now are not asked about any more.",
                "btn-primary",
            )
        )
    found += [
        RolloutVerb(
            "Skip this wave",
            f"{here}skip/",
            "skip-forward",
            "What of it is not in Git is withdrawn, and the next wave begins.",
        ),
        RolloutVerb(
            "Revert",
            f"{here}revert/",
            "undo-2",
            "Each cluster that was moved goes back by a commit of its own; the rest is withdrawn.",
            "btn-danger",
        ),
    ]
    return tuple(found)


def _reasoned(rollout: Rollout) -> tuple[RolloutVerb, ...]:
    """What needs a reason."""
    here = reverse("rollout-detail", args=[rollout.pk])
    found = []
    if rollout.state == Rollout.State.RUNNING:
        found.append(RolloutVerb("Pause", f"{here}pause/", "pause", "Begins no further wave."))
    found.append(
        RolloutVerb("Stop", f"{here}stop/", "octagon-x", "Ends where it is.", "btn-danger")
    )
    return tuple(found)


def rollout_form_page(
    form: RolloutForm, proposal: Proposal | None, *, problem: str = "", demand: str = ""
) -> RolloutFormPage:
    """The form, and beside it every wave with what would be done to each cluster.

    `demand` is what approval it will need.
    """
    return RolloutFormPage(
        form=form,
        crumbs=(Link("Rollouts", reverse("rollout-list")),),
        waves=tuple(
            RolloutPreviewWave(
                name=f"Wave {number}: {', '.join(ask.values[:5])}",
                soak=ask.soak,
                rows=tuple(_preview(row) for row in rows),
            )
            for number, (ask, rows) in enumerate(proposal.waves if proposal else (), start=1)
        ),
        left_out=by_reason((one.name, why) for one, why in proposal.left_out) if proposal else (),
        clusters=proposal.size if proposal else 0,
        problem=problem,
        demand=demand,
    )


def _preview(row: PlannedRow) -> RolloutPreviewRow:
    impact = row.plan.impact if row.plan else None
    counted = (
        [
            f"{len(some)} {word}"
            for some, word in (
                (impact.appear, "to appear"),
                (impact.change, "to change"),
                (impact.disappear, "to disappear"),
            )
            if some
        ]
        if impact
        else []
    )
    return RolloutPreviewRow(
        name=row.candidate.name,
        url=reverse("cluster-detail", args=[row.candidate.hub, row.candidate.name]),
        applications=", ".join(counted) or ("no Application changes" if row.plan else ""),
        warnings=tuple(one.message for one in row.plan.warnings[:2]) if row.plan else (),
        problem=row.problem,
        is_destructive=bool(row.plan and row.plan.destructive),
    )
