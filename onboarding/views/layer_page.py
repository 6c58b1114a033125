"""The form of a shared layer as a page: which file, its keys, and what would happen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.intents import EditLayer
from onboarding.domain.labels import LABELS_KEYS
from onboarding.domain.layout import LayerName, LayerScope
from onboarding.domain.lifecycle import Right
from onboarding.domain.plans import Plan
from onboarding.domain.roles import Place
from onboarding.domain.snapshot import Snapshot
from onboarding.forms.layers import TYPES, TypedRow, shown_key, type_of
from onboarding.models import Change, Fleet
from onboarding.services import scope
from onboarding.services.layer_forms import (
    Choice,
    LayerForm,
    component_choices,
    layer_choices,
)
from onboarding.services.plan_records import record
from onboarding.services.rights import Reach
from onboarding.views.pages import (
    Hidden,
    LayerOption,
    LayerPage,
    LayerPreview,
    LayerRow,
    Link,
    Notice,
)
from onboarding.views.plan_page import plan_from_record

_NEW_ROWS = 3
_NOTHING_YET = "Change a key, or add one: every cluster that it moves appears here."


def choosing_page(
    reach: Reach,
    fleet: Fleet,
    tenant: str,
    snapshot: Snapshot,
    *,
    layer: str,
    component: str,
    error: str = "",
) -> LayerPage:
    """Which layer, and which component of it."""
    environments = set(
        scope.standings(reach)
        .filter(fleet=fleet, tenant=tenant)
        .exclude(environment="")
        .order_by()
        .values_list("environment", flat=True)
        .distinct()
    )
    return LayerPage(
        title="Edit a layer",
        crumbs=crumbs(tenant),
        layers=_options(
            layer_choices(
                fleet=fleet,
                environments=environments,
                may=lambda of_tenant, environment: (
                    Right.REQUEST
                    in reach.at(Place.of(fleet.name, tenant if of_tenant else "", environment))
                ),
            ),
            layer or (LayerName.TENANT.value if tenant else ""),
        ),
        components=_options(component_choices(fleet=fleet, snapshot=snapshot), component),
        tenant=tenant,
        errors=(error,) if error else (),
    )


def editing_page(
    form: LayerForm,
    rows: Sequence[TypedRow],
    *,
    tenant: str,
    change: Change | None,
    preview: LayerPreview,
    refused: Refused | None = None,
    seen: str = "",
) -> LayerPage:
    """The keys of one file, with what was typed over what it sets."""
    said = {one.field: one.message for one in refused.refusals} if refused else {}
    shown = _rows(form, rows, said)
    about = {row.key for row in shown if row.key}
    hidden = [Hidden("file", form.path), Hidden("tenant", tenant)]
    if change:
        hidden += [Hidden("change", str(change.pk)), Hidden("seen", seen or str(change.revision))]
    return LayerPage(
        title=f"Edit {whose(form.scope)}",
        crumbs=crumbs(tenant),
        tenant=tenant,
        path=form.path,
        whose=whose(form.scope),
        is_labels=form.is_labels,
        exists=form.exists,
        rows=shown,
        others=form.others,
        known=form.known,
        hidden=tuple(hidden),
        preview=preview,
        errors=tuple(
            f"{field}: {message}" if field else message
            for field, message in said.items()
            if _short(field) not in about
        ),
        cancel_url=reverse("change-detail", args=[change.pk])
        if change
        else (reverse("tenant-detail", args=[tenant]) if tenant else reverse("tenant-list")),
    )


def unreadable_page(path: str, tenant: str, error: FleetError) -> LayerPage:
    """A file that a form cannot edit: why not."""
    return LayerPage(
        title="Edit a layer",
        crumbs=crumbs(tenant),
        tenant=tenant,
        path=path,
        problem=str(error),
        cancel_url=reverse("tenant-detail", args=[tenant]) if tenant else reverse("tenant-list"),
    )


def crumbs(tenant: str) -> tuple[Link, ...]:
    """The way back to the tenants, and to the one that somebody came from."""
    above = (Link("Tenants", reverse("tenant-list")),)
    return (*above, Link(tenant, reverse("tenant-detail", args=[tenant]))) if tenant else above


def whose(scope: LayerScope) -> str:
    """Whose layer it is, in words."""
    parts = [name for name in (scope.tenant, scope.environment) if name]
    return "/".join(parts) if parts else f"the {scope.layer.value} layer"


def edit_url(path: str, tenant: str) -> str:
    """Where a file of a shared layer is edited."""
    return f"{reverse('layer-edit')}?{urlencode({'file': path, 'tenant': tenant})}"


def told(plan: Plan, demand: str) -> LayerPreview:
    """A plan that was just made, as the form shows it, with what approval it will need."""
    return LayerPreview(plan=plan_from_record(record(plan), demand=demand))


def refused_preview(refused: FleetError, intent: EditLayer | None) -> LayerPreview:
    """Why there is no plan; that nothing was asked yet is no refusal."""
    if intent is not None and not intent.edits:
        return LayerPreview(waits_for=_NOTHING_YET)
    refusals = getattr(refused, "refusals", ())
    return LayerPreview(
        refusals=tuple(Notice(one.message, "red", _short(one.field)) for one in refusals)
        or (Notice(str(refused), "red"),)
    )


def nothing_yet() -> LayerPreview:
    """The preview of a form that nobody has typed into."""
    return LayerPreview(waits_for=_NOTHING_YET)


def rows_of_change(change: Change, form: LayerForm) -> tuple[TypedRow, ...]:
    """What a change asks for, as rows that were typed."""
    found = []
    before = {one.keys: one for one in form.keys}
    intent = change.intent.get("edits", ())
    new = len(form.keys)
    for each in intent:
        keys = tuple(each["keys"])
        value, known = each["value"], before.get(keys)
        number = form.keys.index(known) if known else new
        new += known is None
        shown = known.value if known and value is None else value
        found.append(
            TypedRow(
                number=number,
                key=_key(keys, is_labels=form.is_labels),
                value=_text(shown),
                type=type_of(shown if shown is not None else ""),
                was=known.was if known else "",
                is_removed=value is None,
            )
        )
    return tuple(found)


def _rows(
    form: LayerForm, typed: Sequence[TypedRow], said: Mapping[str, str]
) -> tuple[LayerRow, ...]:
    """The file's own keys, then those that were typed anew, then empty ones."""
    by_key = {row.key: row for row in typed}
    errors = {_short(field): message for field, message in said.items()}
    found = []
    for number, one in enumerate(form.keys):
        key = _key(one.keys, is_labels=form.is_labels)
        row = by_key.pop(key, None)
        found.append(
            LayerRow(
                number=number,
                key=key,
                value=row.value if row else _text(one.value),
                types=_types(row.type if row else type_of(one.value)),
                was=one.was,
                is_removed=bool(row and row.is_removed),
                error=errors.get(key, ""),
            )
        )
    for row in by_key.values():
        found.append(
            LayerRow(
                number=len(found),
                key=row.key,
                value=row.value,
                types=_types(row.type),
                is_new=True,
                error=errors.get(row.key, ""),
            )
        )
    for _ in range(_NEW_ROWS):
        found.append(LayerRow(number=len(found), types=_types("text"), is_new=True))
    return tuple(found)


def _key(keys: tuple[str, ...], *, is_labels: bool) -> str:
    return keys[-1] if is_labels else shown_key(keys)


def _short(field: str) -> str:
    """A refusal's key as the form has it: of a label, the label alone."""
    return field.removeprefix(f"{'.'.join(LABELS_KEYS)}.")


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _types(chosen: str) -> tuple[LayerOption, ...]:
    return tuple(LayerOption(key, title, key == chosen) for key, title in TYPES.items())


def _options(choices: Sequence[Choice], chosen: str) -> tuple[LayerOption, ...]:
    return tuple(LayerOption(one.key, one.title, one.key == chosen) for one in choices)
