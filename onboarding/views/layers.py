"""Editing a layer of values that many clusters share: which file, its keys, preview, request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.intents import EditLayer
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.domain.roles import Place
from onboarding.forms.layers import TypedRow, intent_of, typed_rows
from onboarding.models import Change, Fleet
from onboarding.ports import FleetRepository
from onboarding.services import changes, layer_forms, layer_previews, repeats
from onboarding.services.layer_forms import LayerForm
from onboarding.services.layouts import layout_of
from onboarding.views import access, interruptions, layer_page
from onboarding.views.numbers import number_in
from onboarding.views.pages import LayerPreview
from onboarding.views.partials import is_partial
from onboarding.views.policy_part import before_asking
from onboarding.views.registration_subject import plain

PAGE = "onboarding/tenants/layer.html"
PREVIEW_PART = "onboarding/tenants/_layer_preview.html"
_SECONDS = 8.0
"""How long a preview looks at clusters; asking for approval looks at all of them."""

_ELSEWHERE = (
    "This change was edited in another tab or window meanwhile, so nothing was written now. Send it "
    "again to replace what was saved there."
)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request is about: the file, where somebody came from, and a change that is edited."""

    fleet: Fleet
    path: str
    tenant: str
    change: Change | None


@require_http_methods(["GET", "POST"])
def layer_edit(request: HttpRequest) -> HttpResponse:
    """Choose a file of a shared layer, show its keys, or ask for approval of what was entered."""
    access.user_with(request, Right.REQUEST)
    if request.method == "POST":
        asked = _asked(request, request.POST.dict())
        return _submitted(request, asked) if asked.path else _choose(request, asked)
    typed = interruptions.kept(request)
    asked = _asked(request, typed or request.GET.dict())
    return _shown(request, asked, typed) if asked.path else _choose(request, asked)


@require_POST
def layer_preview(request: HttpRequest) -> HttpResponse:
    """What the form as it stands would do: the right-hand part, or without JavaScript the whole page."""
    access.user_with(request, Right.REQUEST)
    typed = request.POST.dict()
    asked, rows = _asked(request, typed), typed_rows(typed)
    try:
        repository = wiring.current_repository(asked.fleet)
        form = _form(asked, repository)
        shown = _preview(asked, form, rows, repository)
    except FleetError as error:
        page = layer_page.unreadable_page(asked.path, asked.tenant, error)
    else:
        page = layer_page.editing_page(
            form,
            rows,
            tenant=asked.tenant,
            change=asked.change,
            preview=shown,
            seen=request.POST.get("seen", ""),
        )
    return render(request, PREVIEW_PART if is_partial(request) else PAGE, {"page": page})


def _asked(request: HttpRequest, given: Mapping[str, str]) -> _Asked:
    """The file and change that the address or the form names; 404 for a change of another kind."""
    change = None
    number = number_in(given.get("change", ""))
    if number is not None:
        change = access.change_for(request, number)
        if change.kind != Change.Kind.LAYER:
            raise Http404("This change is not about a layer.")
    tenant = given.get("tenant", "") or (change.tenant if change else "")
    fleet = change.fleet if change else access.configured_fleet_for(request)
    path = str(change.intent.get("path", "")) if change else given.get("file", "")[:500]
    if path:
        _check_place(request, fleet, path)
    return _Asked(
        fleet=fleet,
        path=path,
        tenant=tenant[:63] if tenant.replace("-", "").replace("_", "").isalnum() else "",
        change=change,
    )


def _check_place(request: HttpRequest, fleet: Fleet, path: str) -> None:
    """404 for a file of a layer that this person may not see, 403 for one that they may not edit.

    What is no layer at all may be anybody's, and is told to who sees the whole fleet.
    """
    found = layout_of(fleet).parse_layer_path(path)
    place = Place.of(fleet.name, *((found.tenant, found.environment) if found else ()))
    if Right.VIEW not in access.rights_of(request.user, place):
        raise Http404("There is no such layer.")
    access.user_with(request, Right.REQUEST, place)


def _choose(request: HttpRequest, asked: _Asked) -> HttpResponse:
    layer, component = request.GET.get("layer", ""), request.GET.get("component", "")
    error = ""
    if layer and component:
        try:
            path = layer_forms.path_of(
                fleet=asked.fleet, tenant=asked.tenant, layer=layer, component=component
            )
            _check_place(request, asked.fleet, path)
            return redirect(layer_page.edit_url(path, asked.tenant))
        except Refused as refused:
            error = str(refused)
    try:
        snapshot = wiring.current_repository(asked.fleet).snapshot()
    except FleetError as failed:
        page = layer_page.unreadable_page("", asked.tenant, failed)
        return render(request, PAGE, {"page": page})
    page = layer_page.choosing_page(
        access.reach_of(request.user),
        asked.fleet,
        asked.tenant,
        snapshot,
        layer=layer,
        component=component,
        error=error,
    )
    return render(request, PAGE, {"page": page}, status=422 if error else 200)


def _form(asked: _Asked, repository: FleetRepository) -> LayerForm:
    return layer_forms.layer_form(
        fleet=asked.fleet, path=asked.path, snapshot=repository.snapshot()
    )


def _shown(request: HttpRequest, asked: _Asked, typed: Mapping[str, str]) -> HttpResponse:
    """The form as the file has it, as the edited change asks, or as it was typed before a sign-in."""
    try:
        repository = wiring.current_repository(asked.fleet)
        form = _form(asked, repository)
        rows = typed_rows(typed)
        if asked.change and not rows:
            rows = layer_page.rows_of_change(asked.change, form)
        shown = _preview(asked, form, rows, repository) if rows else layer_page.nothing_yet()
    except FleetError as error:
        page = layer_page.unreadable_page(asked.path, asked.tenant, error)
    else:
        page = layer_page.editing_page(
            form, rows, tenant=asked.tenant, change=asked.change, preview=shown
        )
    return render(request, PAGE, {"page": page})


def _preview(
    asked: _Asked, form: LayerForm, rows: tuple[TypedRow, ...], repository: FleetRepository
) -> LayerPreview:
    intent: EditLayer | None = None
    try:
        intent = intent_of(asked.path, rows, is_labels=form.is_labels)
        plan = layer_previews.preview(
            fleet=asked.fleet,
            intent=intent,
            snapshot=repository.snapshot(),
            renderer=wiring.renderer(),
            seconds=_SECONDS,
        )
    except FleetError as error:
        return layer_page.refused_preview(error, intent)
    demand = before_asking(plan, fleet=asked.fleet, now=wiring.clock().now())
    return layer_page.told(plan, demand)


def _submitted(request: HttpRequest, asked: _Asked) -> HttpResponse:
    """Ask for approval: a redirect to the change, or the same page with errors (422)."""
    user = access.user_with(request, Right.REQUEST)
    typed = {**plain(request.POST), "file": asked.path}
    if twice := repeats.asked_already(fleet=asked.fleet, form_data=typed, actor=user):
        messages.info(request, f"Change #{twice.pk} asks for this already; it was not sent twice.")
        return redirect("change-detail", twice.pk)
    rows = typed_rows(request.POST.dict())
    try:
        repository = wiring.current_repository(asked.fleet, max_age=0)
        form = _form(asked, repository)
    except FleetError as error:
        page = layer_page.unreadable_page(asked.path, asked.tenant, error)
        return render(request, PAGE, {"page": page}, status=422)
    try:
        if asked.change and request.POST.get("seen") != str(asked.change.revision):
            raise Refused(_ELSEWHERE, code="raced")
        change = _ask(request, asked, form, rows, typed, repository)
    except FleetError as error:
        refused = error if isinstance(error, Refused) else Refused(str(error))
        page = layer_page.editing_page(
            form,
            rows,
            tenant=asked.tenant,
            change=asked.change,
            preview=_preview(asked, form, rows, repository),
            refused=refused,
        )
        return render(request, PAGE, {"page": page}, status=422)
    messages.success(request, f"Change #{change.pk} waits for approval.")
    return redirect("change-detail", change.pk)


def _ask(
    request: HttpRequest,
    asked: _Asked,
    form: LayerForm,
    rows: tuple[TypedRow, ...],
    typed: dict[str, Any],
    repository: FleetRepository,
) -> Change:
    common: dict[str, Any] = {
        "intent": intent_of(asked.path, rows, is_labels=form.is_labels),
        "form_data": typed,
        "actor": access.user_with(request, Right.REQUEST),
        "repository": repository,
        "clock": wiring.clock(),
        "renderer": wiring.renderer(),
    }
    open_states = (DecisionState.SUBMITTED.value, DecisionState.LAPSED.value)
    if asked.change and asked.change.state in open_states:
        return changes.revise(change_id=asked.change.pk, **common)
    return changes.submit(fleet=asked.fleet, **common)
