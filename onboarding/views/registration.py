"""Registering a spoke cluster and editing a registered one: form, live preview, draft, request."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.intents import Intent
from onboarding.domain.layout import Placement
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.roles import Place
from onboarding.domain.snapshot import Snapshot
from onboarding.forms.registration import PIN, RegistrationForm, typed_pins, typed_placement
from onboarding.models import Change, Cluster
from onboarding.services import changes, drafts, offers, plan_records, previews, repeats
from onboarding.services.member_forms import BASE
from onboarding.views import access, interruptions
from onboarding.views.numbers import number_in
from onboarding.views.pages import FormPage, Hidden, Link, Preview
from onboarding.views.partials import is_partial
from onboarding.views.plan_page import plan_from_record
from onboarding.views.policy_part import before_asking
from onboarding.views.registration_page import preview as preview_page
from onboarding.views.registration_page import sections
from onboarding.views.registration_subject import (
    Subject,
    age_of_branch,
    brought_up,
    plain,
    posted_about,
    posted_subject,
    resumed,
    subject_of_change,
    subject_of_cluster,
)
from onboarding.views.unreadable import kept_while_unreadable

FORM_PAGE = "onboarding/clusters/form.html"
PREVIEW_PART = "onboarding/clusters/_preview_part.html"
ELSEWHERE = (
    "This was saved in another tab or window meanwhile, so nothing was written now. What you typed "
    "here is below: send it again to replace what was saved there, or open it anew under Changes."
)

NOT_THERE = (
    "Your account may not ask for changes of this tenant and environment. Choose another place, or "
    "ask an administrator."
)


@require_http_methods(["GET", "POST"])
def cluster_register(request: HttpRequest) -> HttpResponse:
    """Register a spoke cluster: show the form, or ask for approval of what was entered."""
    access.user_with(request, Right.REQUEST)
    fleet = access.fleet_for(request)
    if fleet is None:
        found = {"setup_url": access.setup_url_for(request)}
        return render(request, "onboarding/clusters/no_fleet.html", found)
    return _form_view(
        request, Subject(fleet=fleet, initial={key: request.GET[key] for key in request.GET})
    )


@require_http_methods(["GET", "POST"])
@kept_while_unreadable
def cluster_edit(request: HttpRequest, hub: str, name: str) -> HttpResponse:
    """Edit a registered cluster: channels, flags, model; its place in the fleet is fixed."""
    access.user_with(request, Right.REQUEST)
    cluster = access.cluster_for(request, hub, name, Right.REQUEST)
    return _form_view(request, subject_of_cluster(cluster, max_age=age_of_branch(request)))


@require_http_methods(["GET", "POST"])
@kept_while_unreadable
def change_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with a draft, or edit a change that waits for approval."""
    access.user_with(request, Right.REQUEST)
    change = access.change_for(request, pk, Right.REQUEST)
    if change.kind == Change.Kind.LAYER:
        return redirect(f"{reverse('layer-edit')}?change={change.pk}")
    return _form_view(request, subject_of_change(change, max_age=age_of_branch(request)))


@require_POST
@kept_while_unreadable
def register_preview(request: HttpRequest) -> HttpResponse:
    """What the form as it stands would write: the right-hand part, or without JavaScript the whole page."""
    access.user_with(request, Right.REQUEST)
    subject = posted_subject(request)
    form, shown = _bound(request, subject)
    page = _page(subject, form, shown)
    if is_partial(request):
        return render(request, PREVIEW_PART, {"page": page, "preview": shown})
    return render(request, FORM_PAGE, {"page": page})


@require_POST
@kept_while_unreadable
def register_draft(request: HttpRequest) -> HttpResponse:
    """Keep what was entered so far as a draft of this person, right or wrong."""
    user = access.user_with(request, Right.REQUEST)
    change, cluster = posted_about(request)
    if change and change.state != DecisionState.DRAFT.value:
        messages.error(
            request, "This change was already asked for approval; it is no draft any more."
        )
        return redirect("change-detail", change.pk)
    if _is_overtaken(request, change):
        return _refused(request, posted_subject(request), ELSEWHERE)
    draft = drafts.save(
        fleet=cluster.fleet if cluster else access.configured_fleet_for(request),
        kind=Change.Kind.EDIT if cluster else Change.Kind.REGISTER,
        form_data={**plain(request.POST), **(_place_of(cluster) if cluster else {})},
        actor=user,
        clock=wiring.clock(),
        draft_id=change.pk if change else None,
    )
    messages.success(request, "Draft kept. Only you can see it, under Changes.")
    return redirect("change-edit", draft.pk)


@require_POST
def draft_discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Throw a draft away."""
    user = access.user_with(request, Right.REQUEST)
    change = access.change_for(request, pk)
    try:
        drafts.discard(change_id=change.pk, actor=user)
        messages.success(request, "Draft thrown away.")
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("change-list")


def _form_view(request: HttpRequest, subject: Subject) -> HttpResponse:
    """Show the form, or send it: a redirect to the change, or the same page with errors (422)."""
    if request.method == "GET":
        if typed := interruptions.kept(request):
            subject = resumed(subject, typed)
        form, shown = _unbound(request, subject)
        return render(request, FORM_PAGE, {"page": _page(subject, form, shown)})
    if twice := _asked_already(request, subject):
        return twice
    if _is_overtaken(request, subject.change):
        return _refused(request, subject, ELSEWHERE)
    form, shown = _bound(request, subject)
    if form.is_valid() and not shown.refusals:
        try:
            return redirect("change-detail", _submit(request, subject, form).pk)
        except Refused as refused:
            form.refuse(refused)
        except FleetError as error:
            form.add_error(None, str(error))
    page = render(request, FORM_PAGE, {"page": _page(subject, form, shown)}, status=422)
    return _asked_already(request, subject) or page  # the other of two at once may have won


def _asked_already(request: HttpRequest, subject: Subject) -> HttpResponse | None:
    """The way to the change that these very answers already ask for: a second click changes nothing."""
    user = access.user_with(request, Right.REQUEST)
    change = repeats.asked_already(fleet=subject.fleet, form_data=plain(request.POST), actor=user)
    if change is None:
        return None
    messages.info(request, f"Change #{change.pk} asks for this already; it was not sent twice.")
    return redirect("change-detail", change.pk)


def _is_overtaken(request: HttpRequest, change: Change | None) -> bool:
    """Whether the change was saved elsewhere since this form was loaded."""
    seen = number_in(request.POST.get("seen", ""))
    return change is not None and seen not in (None, change.revision)


def _refused(request: HttpRequest, subject: Subject, reason: str) -> HttpResponse:
    """The form with what was typed, and the reason why it was not taken."""
    form, shown = _bound(request, subject)
    form.add_error(None, reason)
    return render(request, FORM_PAGE, {"page": _page(subject, form, shown)}, status=422)


def _submit(request: HttpRequest, subject: Subject, form: RegistrationForm) -> Change:
    user = access.user_with(request, Right.REQUEST)
    intent = _intent(subject, form)
    hub = access.hub_named(request, intent.placement.hub)
    if hub is None:
        raise Refused("This hub is not configured. Choose one of the list.", field="hub")
    common: dict[str, Any] = {
        "intent": intent,
        "form_data": plain(request.POST),
        "actor": user,
        "repository": wiring.current_repository(subject.fleet, max_age=0),
        "credentials": wiring.credentials(hub),
        "clock": wiring.clock(),
        "renderer": wiring.renderer(),
    }
    if subject.change and not subject.is_draft:
        change = changes.revise(change_id=subject.change.pk, **common)
    else:
        draft_id = subject.change.pk if subject.change else None
        change = changes.submit(fleet=subject.fleet, draft_id=draft_id, **common)
    messages.success(request, f"Change #{change.pk} waits for approval.")
    return change


def _intent(subject: Subject, form: RegistrationForm) -> Intent:
    """What the form asks for, with the plain labels that its change asks for and no form shows."""
    return form.intent(beside=subject.change.intent.get("pins") if subject.change else None)


def _place_of(cluster: Cluster) -> dict[str, str]:
    """What the form of a registered cluster shows as fixed and therefore does not send."""
    return {
        "hub": cluster.hub_name,
        "cluster": cluster.name,
        "tenant": cluster.tenant,
        "environment": cluster.environment,
    }


def _unbound(request: HttpRequest, subject: Subject) -> tuple[RegistrationForm, Preview]:
    offer, problem, _ = _offer(request, subject, subject.initial)
    form = RegistrationForm(initial=subject.initial, offer=offer, editing=subject.editing)
    waits = (
        problem or "Fill in the form: what will be written and what follows from it appears here."
    )
    return form, preview_page(plan=None, waits_for=waits)


def _bound(request: HttpRequest, subject: Subject) -> tuple[RegistrationForm, Preview]:
    """The form with what was posted, and the plan of it or the reasons why there is none."""
    typed = brought_up(subject, plain(request.POST))
    posted = {**subject.initial, **typed} if subject.editing else typed
    offer, problem, snapshot = _offer(request, subject, posted)
    form = RegistrationForm(typed, initial=subject.initial, offer=offer, editing=subject.editing)
    if snapshot is None:
        form.add_error(None, problem)
        return form, preview_page(plan=None, waits_for=problem)
    if not form.is_valid():
        return form, preview_page(
            plan=None, waits_for="Some answers are missing or need another look."
        )
    if not _may_ask(request, subject, form.intent().placement):
        form.add_error("tenant" if "tenant" in form.fields else None, NOT_THERE)
        return form, preview_page(plan=None, waits_for=NOT_THERE)
    try:
        plan = previews.preview(
            fleet=subject.fleet,
            intent=_intent(subject, form),
            snapshot=snapshot,
            change=subject.change,
            server=form.cleaned_data.get("server", ""),
            renderer=wiring.renderer(),
        )
    except Refused as refused:
        form.refuse(refused)
        return form, preview_page(plan=None, refusals=refused.refusals)
    now = wiring.clock().now()
    demand = before_asking(plan, fleet=subject.fleet, now=now)
    shown = plan_from_record(plan_records.columns(plan)["plan"], demand=demand)
    return form, preview_page(plan=shown, as_of=now)


def _offer(
    request: HttpRequest, subject: Subject, data: dict[str, Any]
) -> tuple[offers.Offer, str, Snapshot | None]:
    """What the form offers for the place typed so far; an empty offer and the reason where Git is away."""
    try:
        snapshot = wiring.current_repository(subject.fleet).snapshot()
        placement = subject.editing or typed_placement(data)
        found = offers.offer(
            fleet=subject.fleet,
            snapshot=snapshot,
            placement=placement if _may_ask(request, subject, placement) else None,
            pins=typed_pins(data),
            renderer=wiring.renderer(),
        )
        reach = access.reach_of(request.user)
        return offers.narrowed(found, fleet=subject.fleet, reach=reach), "", snapshot
    except FleetError as error:
        return offers.empty(fleet=subject.fleet), str(error), None


def _may_ask(request: HttpRequest, subject: Subject, placement: Placement | None) -> bool:
    """Whether this person may ask for a cluster at a place; what its layers say is shown to nobody else."""
    if placement is None:
        return True
    place = Place.of(subject.fleet.name, placement.tenant, placement.environment)
    return Right.REQUEST in access.rights_of(request.user, place)


def _page(subject: Subject, form: RegistrationForm, shown: Preview) -> FormPage:
    title = f"Edit {subject.editing.cluster}" if subject.editing else "Register a cluster"
    if subject.change and not subject.is_draft:
        title = f"Edit change #{subject.change.pk}"
    return FormPage(
        title=title,
        lede="Nothing is written until somebody else has approved exactly what is shown on the right.",
        action=subject.action,
        form=form,
        sections=sections(
            form,
            editing=subject.editing,
            check_url=reverse("secret-check"),
            problem=shown.waits_for,
        ),
        preview=shown,
        preview_url=reverse("register-preview"),
        draft_url="" if subject.change and not subject.is_draft else reverse("register-draft"),
        crumbs=_crumbs(subject),
        cancel_url=_crumbs(subject)[-1].url,
        draft_saved_at=subject.change.updated_at if subject.change and subject.is_draft else None,
        hidden=_hidden(subject, form),
    )


def _crumbs(subject: Subject) -> tuple[Link, ...]:
    if subject.change:
        return (Link("Changes", reverse("change-list")),)
    if subject.cluster:
        here = reverse("cluster-detail", args=[subject.cluster.hub_name, subject.cluster.name])
        return (Link("Clusters", reverse("cluster-list")), Link(subject.cluster.name, here))
    return (Link("Clusters", reverse("cluster-list")),)


def _hidden(subject: Subject, form: RegistrationForm) -> tuple[Hidden, ...]:
    """What the form is about, and pins that are not on offer now: Git cannot be read, or moved."""
    found = []
    if subject.change:
        found.append(Hidden("change", str(subject.change.pk)))
        found.append(Hidden("seen", str(subject.change.revision)))
    if subject.editing:
        found += [
            Hidden("editing_hub", subject.editing.hub),
            Hidden("editing_name", subject.editing.cluster),
            Hidden(BASE, subject.base),
        ]
    typed = form.data if form.is_bound else subject.initial
    found += [
        Hidden(name, str(typed[name]))
        for name in typed
        if name.startswith(PIN) and name not in form.fields
    ]
    return tuple(found)
