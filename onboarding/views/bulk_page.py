"""Bulks as pages."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count as CountOf
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.bulk_csv import MOST_CLUSTERS, NUMBER, OPTIONAL, PLACE, PROBLEM
from onboarding.domain.lifecycle import DecisionState, DeliveryState, Right
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.forms.bulk import CsvForm, SameForm
from onboarding.forms.registration import OPTIONS
from onboarding.models import Bulk, Change, Fleet, Standing
from onboarding.services import bulks, places, policies
from onboarding.views import access, listing, policy_part
from onboarding.views.decision_part import of_whole
from onboarding.views.pages import (
    BulkCluster,
    BulkDetailRow,
    BulkFormPage,
    BulkListPage,
    BulkListRow,
    BulkPage,
    BulkProblem,
    Count,
    Decision,
    FormField,
    Link,
)

TEMPLATE = (*PLACE, *OPTIONAL, *RELEASE_LABELS.values())
SUBMITTED = DecisionState.SUBMITTED.value
_WORDS = {bulks.UNCHECKED: "Not checked yet", bulks.REFUSED: "Refused"}
_ORDER = (
    bulks.REFUSED,
    DeliveryState.FAILED.value,
    DecisionState.LAPSED.value,
    DeliveryState.MERGED_DIFFERENTLY.value,
    bulks.UNCHECKED,
    DecisionState.SUBMITTED.value,
    DecisionState.APPROVED.value,
    DeliveryState.QUEUED.value,
    DeliveryState.PUSHING.value,
    DeliveryState.IN_REVIEW.value,
    DeliveryState.COMMITTED.value,
    DecisionState.REJECTED.value,
    DecisionState.WITHDRAWN.value,
)
_MOVING = frozenset(
    {
        bulks.UNCHECKED,
        DecisionState.APPROVED.value,
        DeliveryState.QUEUED.value,
        DeliveryState.PUSHING.value,
        DeliveryState.IN_REVIEW.value,
    }
)


def bulk_list_page(request: HttpRequest, fleet: Fleet | None) -> BulkListPage:
    """The bulks of a fleet; each counts its rows by two aggregates of one query."""
    over = Q(rows__is_checked=True, rows__change=None) | Q(
        rows__change__state__in=(DecisionState.REJECTED.value, DecisionState.WITHDRAWN.value)
    )
    rows = (
        access.bulks_for(request)
        .filter(fleet=fleet)
        .select_related("requester")
        .annotate(
            total=CountOf("rows", distinct=True),
            refused=CountOf(
                "rows", filter=Q(rows__is_checked=True, rows__change=None), distinct=True
            ),
            done=CountOf(
                "rows", filter=over | Q(rows__change__settled_at__isnull=False), distinct=True
            ),
        )
        .order_by("-pk")
    )
    pages, found = listing.paginate(request, rows)
    may_ask = fleet is not None and Right.REQUEST in access.rights_of(request.user)
    return BulkListPage(
        rows=tuple(_list_row(row) for row in found),
        pages=pages,
        register_url=reverse("bulk-register") if may_ask else "",
        edit_url=reverse("bulk-edit") if may_ask else "",
        refresh_url=request.get_full_path(),
    )


def _list_row(bulk: Any) -> BulkListRow:
    return BulkListRow(
        number=bulk.pk,
        url=reverse("bulk-detail", args=[bulk.pk]),
        title=bulk.title,
        kind=bulk.get_kind_display(),
        state=_state(bulk),
        requester=bulk.requester.get_username(),
        at=bulk.created_at,
        total=bulk.total,
        done=bulk.done,
        refused=bulk.refused,
    )


def _crumbs() -> tuple[Link, ...]:
    return (Link("Bulk changes", reverse("bulk-list")),)


def register_page(form: CsvForm) -> BulkFormPage:
    """Where a CSV is uploaded or pasted."""
    return BulkFormPage(
        title="Register many clusters",
        lede="One line each. Every line is planned by itself; what is wrong is said at its column, and "
        "the rest goes on. Nothing is written before others approve it; the next page says how many.",
        action=reverse("bulk-register"),
        fields=tuple(
            FormField(bound=form[name], is_optional=name == "title") for name in form.fields
        ),
        crumbs=_crumbs(),
        errors=tuple(str(error) for error in form.non_field_errors()),
        template_url=reverse("bulk-template"),
        columns=(*PLACE, *OPTIONAL, *OPTIONS),
        most=MOST_CLUSTERS,
        is_upload=True,
    )


def edit_page(
    form: SameForm,
    standings: QuerySet[Standing],
    *,
    chosen: set[str] | None,
    query: str,
    problem: str,
    demand: str,
) -> BulkFormPage:
    """Where the same is asked of many clusters: those that the list's filter leaves, each with a box.

    `problem` is why nothing is on offer, "" where something is; `demand` what approval it will need.
    """
    # What is left as it is says so itself.
    fields = tuple(
        FormField(bound=form[name], is_optional=name in ("title", "labels")) for name in form.fields
    )
    return BulkFormPage(
        title="Change many clusters",
        lede="What is left as it is stays as each cluster has it. Every cluster gets a plan and a "
        f"commit of its own, and all of them are decided on at once. {demand}",
        action=f"{reverse('bulk-edit')}{f'?{query}' if query else ''}",
        fields=fields,
        crumbs=_crumbs(),
        errors=(*filter(None, [problem]), *(str(error) for error in form.non_field_errors())),
        clusters=tuple(
            BulkCluster(
                value=str(row.cluster_id),
                name=row.name,
                hub=row.hub_name,
                placement=f"{row.tenant}, {row.environment}",
                is_chosen=chosen is None or str(row.cluster_id) in chosen,
            )
            for row in standings[:MOST_CLUSTERS]
        ),
        most=MOST_CLUSTERS,
    )


def bulk_page(request: HttpRequest, bulk: Bulk, now: datetime) -> BulkPage:
    """One bulk: how far it is, each row's result, and the decision on all that is open."""
    rows: QuerySet[Any] = bulks.with_results(bulk.rows.all())
    counted = Counter(
        dict(rows.order_by().values_list("result").annotate(CountOf("pk")).order_by())
    )
    chosen = request.GET.get("result", "")
    chosen = chosen if chosen in counted else ""
    shown = rows.filter(result=chosen) if chosen else rows
    pages, found = listing.paginate(request, shown.select_related("change__hub").order_by("number"))
    total = sum(counted.values())
    here = reverse("bulk-detail", args=[bulk.pk])
    mine = bulk.requester_id == request.user.pk
    may_correct = (
        mine
        and bulk.kind == Bulk.Kind.REGISTER
        and bulk.state
        not in (
            Bulk.State.REJECTED,
            Bulk.State.WITHDRAWN,
        )
    )
    is_checking = bulk.state == Bulk.State.CHECKING
    digest = bulks.digest_of(bulk) if counted[SUBMITTED] and not is_checking else ""
    moving = any(counted[one] for one in _MOVING if is_checking or one != bulks.UNCHECKED)
    return BulkPage(
        number=bulk.pk,
        title=bulk.title,
        kind=bulk.get_kind_display(),
        state=_state(bulk),
        sentence=_sentence(bulk, counted, total),
        requester=bulk.requester.get_username(),
        at=bulk.created_at,
        total=total,
        checked=total - counted[bulks.UNCHECKED],
        settled=sum(counted[one] for one in bulks.SETTLED),
        counts=tuple(
            Count(_word(one), counted[one], f"{here}?{urlencode({'result': one})}")
            for one in _ORDER
            if counted[one]
        ),
        rows=tuple(_detail_row(row) for row in found),
        pages=pages,
        decision=_decision(request, bulk, counted, digest),
        chosen=_word(chosen) if chosen else "",
        # While rows are checked it moves with each of them, and nobody can decide on it yet.
        impact=_impact(bulk, digest) if digest else "",
        policy=_policy(bulk, now) if digest else "",
        note=bulk.note,
        all_url=here,
        correct_url=reverse("bulk-correct", args=[bulk.pk]) if may_correct else "",
        refused_url=reverse("bulk-refused", args=[bulk.pk])
        if counted[bulks.REFUSED] and bulk.kind == Bulk.Kind.REGISTER
        else "",
        refresh_url=request.get_full_path(),
        crumbs=_crumbs(),
        is_moving=moving,
    )


def refused_columns(bulk: Bulk) -> tuple[str, ...]:
    """The columns of a file of what was refused: those that were sent, and why."""
    said: dict[str, None] = dict.fromkeys(PLACE)
    for row in bulk.rows.filter(is_checked=True, change=None).only("said"):
        said |= dict.fromkeys(row.said)
    return (NUMBER, *said, PROBLEM)


def refused_rows(bulk: Bulk, columns: tuple[str, ...]) -> Any:
    """The refused rows as they were sent, each with why."""
    for row in bulk.rows.filter(is_checked=True, change=None).order_by("number").iterator():
        why = "; ".join(f"{column}: {text}" if column else text for column, text in row.problems)
        yield {**dict.fromkeys(columns, ""), **row.said, NUMBER: row.number, PROBLEM: why}


def _detail_row(row: Any) -> BulkDetailRow:
    change = row.change
    impact = change.plan.get("impact", {}) if change else {}
    parts = (
        ("+", len(impact.get("appear", ()))),
        ("~", len(impact.get("change", ()))),
        ("\N{MINUS SIGN}", len(impact.get("disappear", ()))),
    )
    words = " ".join(f"{sign}{count}" for sign, count in parts if count)
    files = len(change.plan.get("edits", ())) if change else 0
    written = f"{files} file{'' if files == 1 else 's'}"
    summary = f"{f'{words} Applications, ' if words else ''}{written}" if change else ""
    return BulkDetailRow(
        line=row.number,
        cluster=row.cluster_name,
        hub=row.hub_name,
        result=_word(row.result),
        url=reverse("change-detail", args=[change.pk]) if change else "",
        change=change.pk if change else None,
        summary=summary,
        problems=tuple(BulkProblem(column, text) for column, text in row.problems),
        is_destructive=bool(change and change.destructive),
    )


def _decision(request: HttpRequest, bulk: Bulk, counted: Counter[str], digest: str) -> Decision:
    if bulk.state == Bulk.State.CHECKING or not counted[SUBMITTED]:
        return Decision()
    found = of_whole(
        request,
        noun="bulk",
        title=bulk.title,
        pk=bulk.pk,
        requester_id=bulk.requester_id,
        touched=places.of_bulk(bulk),
        undecided=Change.objects.filter(bulk_row__bulk=bulk, state=SUBMITTED),
        digest=digest,
        approve_label="Approve all of them",
    )
    if bulk.requester_id != request.user.pk or bulk.state != Bulk.State.PROPOSED:
        return found
    return replace(found, withdraw_url=reverse("bulk-withdraw", args=[bulk.pk]))


def _policy(bulk: Bulk, now: datetime) -> str:
    """The most that is demanded of a row that waits."""
    waiting = Change.objects.filter(bulk_row__bulk=bulk, state=SUBMITTED)
    return policy_part.of_whole(policies.demand_on_whole(waiting), now)


def _impact(bulk: Bulk, digest: str) -> str:
    """What all that is open does together, in one line; worked out once for each digest."""
    key = f"bulk-impact:{bulk.pk}:{digest}"
    found: str | None = cache.get(key)
    if found is None:
        found = _summed(bulk)
        cache.set(key, found, timeout=3600)
    return found


def _summed(bulk: Bulk) -> str:
    appear = change = gone = files = 0
    for plan in bulks.undecided(bulk).values_list("change__plan", flat=True).iterator():
        impact = plan.get("impact", {})
        appear += len(impact.get("appear", ()))
        change += len(impact.get("change", ()))
        gone += len(impact.get("disappear", ()))
        files += len(plan.get("edits", ()))
    if not files:
        return ""
    appears = "1 Application appears" if appear == 1 else f"{appear} Applications appear"
    written = "1 file is written" if files == 1 else f"{files} files are written"
    return f"{appears}, {change} change, {gone} disappear; {written}."


def _state(bulk: Bulk) -> str:
    return "Submitted" if bulk.state == Bulk.State.PROPOSED else bulk.get_state_display()


def _word(result: str) -> str:
    return _WORDS.get(result) or result.replace("_", " ").capitalize()


def _sentence(bulk: Bulk, counted: Counter[str], total: int) -> str:
    refused = counted[bulks.REFUSED]
    tail = f" {refused} cannot be done; each says why." if refused else ""
    match bulk.state:
        case Bulk.State.CHECKING:
            done = total - counted[bulks.UNCHECKED]
            return f"{done} of {total} are checked."
        case Bulk.State.PROPOSED:
            open_rows = counted[SUBMITTED]
            if not open_rows:
                return f"None of {total} waits for a decision.{tail}"
            waits = "waits" if open_rows == 1 else "wait"
            return f"{open_rows} of {total} {waits} for approval by somebody who did not ask.{tail}"
        case Bulk.State.APPROVED:
            done = counted[DeliveryState.COMMITTED.value]
            return f"{done} of {total} are in Git.{tail}"
    return f"It was {bulk.get_state_display().lower()}."


def bulk_for(request: HttpRequest, pk: int) -> Bulk | None:
    """A bulk that this person may see."""
    fleets = access.fleets_for(request)
    return (
        access.bulks_for(request)
        .filter(pk=pk, fleet__in=fleets)
        .select_related("fleet", "requester")
        .first()
    )
