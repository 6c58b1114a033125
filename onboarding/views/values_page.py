"""The values of a component as pages show them: of one cluster, and of two sides."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from urllib.parse import urlencode

from django.urls import reverse

from onboarding.domain.component_values import ComponentValues
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.layering import Leaf
from onboarding.domain.layering import Origin as ValueOrigin
from onboarding.models import Change
from onboarding.ports import FleetRepository
from onboarding.services.values import ClusterValues, Offered, values_of_change
from onboarding.views.pages import (
    ComparedRow,
    Comparison,
    ComponentOption,
    Hidden,
    Origin,
    Picker,
    Shadowed,
    Side,
    ValueRow,
    ValuesFile,
    ValuesPart,
)

_LONGEST = 600
NOTHING_OFFERED = (
    "No release channel of this cluster offers a component that this repository describes."
)


def shown(value: object) -> str:
    """A value as JSON writes it, so that the text "no" and the boolean are told apart."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        value = int(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def origin_of(origin: ValueOrigin) -> Origin:
    """A value's origin as pages show it."""
    return Origin(layer=str(origin.layer), path=origin.path, line=origin.line or None)


def values_part(values: ClusterValues, wanted: str, *, name: str, hub: str) -> ValuesPart:
    """The values of the wanted component (else of the first that is on) on one cluster."""
    chosen = _chosen(values.offered, wanted)
    picker = _picker(values.offered, chosen, (Hidden("tab", "values"),))
    note = _unread(values)
    if not chosen:
        return ValuesPart(picker=picker, problem=NOTHING_OFFERED, note=note)
    offered = values.offered[chosen]
    try:
        found = values.of(chosen)
    except Refused as refused:
        return ValuesPart(picker=picker, source=_source(offered), problem=str(refused))
    assert found is not None  # noqa: S101 -- it is offered
    known = found.chart_known
    compare = urlencode({"a": f"{hub}/{name}", "component": chosen})
    return ValuesPart(
        picker=picker,
        rows=tuple(_row(leaf) for leaf in found.resolved.leaves),
        removed=tuple(_removed(leaf, chart_known=known) for leaf in found.resolved.removed),
        files=tuple(
            ValuesFile(str(layer.layer), layer.path, exists) for layer, exists in found.files
        ),
        source=_source(offered),
        note=f"{found.note} {note}".strip(),
        compare_url=f"{reverse('cluster-compare')}?{compare}",
    )


def comparison(
    left: ClusterValues | None,
    right: ClusterValues | None,
    wanted: str,
    *,
    titles: tuple[str, str],
    keep: Sequence[Hidden],
    show_all: bool,
) -> Comparison:
    """A component's values on two sides, what differs; a side that has no cluster has no values."""
    offered: dict[str, Offered] = {}
    for side in (left, right):
        for one in side.offered.values() if side else ():
            known = offered.get(one.component.name)
            if known is None or one.enabled:
                offered[one.component.name] = one
    chosen = _chosen(offered, wanted)
    picker = _picker(offered, chosen, keep)
    if not chosen:
        return Comparison(picker, *titles, problem=NOTHING_OFFERED)
    try:
        was, will = _gets(left, chosen), _gets(right, chosen)
    except Refused as refused:
        return Comparison(picker, *titles, problem=str(refused))
    rows = _compared(was, will)
    differing = tuple(row for row in rows if row.word != "same")
    same = len(rows) - len(differing)
    more = {hidden.name: hidden.value for hidden in keep} | {"component": chosen, "all": "1"}
    notes = dict.fromkeys(one.note for one in (was, will) if one and one.note)
    return Comparison(
        picker,
        *titles,
        rows=tuple(rows) if show_all else differing,
        same=same,
        all_url="" if show_all or not same else f"?{urlencode(more)}",
        note=" ".join(notes),
    )


def change_values(
    change: Change, *, repository: Callable[[], FleetRepository], component: str, show_all: bool
) -> Comparison:
    """The values before and after a change, on the commit that its plan was made on."""
    titles, keep = ("Before", "After"), (Hidden("tab", "values"),)
    try:
        snapshot = repository().snapshot(change.base_commit or None)
        before, after = values_of_change(change=change, snapshot=snapshot)
    except FleetError as error:
        return Comparison(Picker(()), *titles, problem=str(error))
    return comparison(before, after, component, titles=titles, keep=keep, show_all=show_all)


def _gets(side: ClusterValues | None, component: str) -> ComponentValues | None:
    """What the component gets on a side, while it is switched on there."""
    offered = side.offered.get(component) if side else None
    return side.of(component) if side and offered and offered.enabled else None


def _compared(was: ComponentValues | None, will: ComponentValues | None) -> list[ComparedRow]:
    old = {leaf.keys: leaf for leaf in was.resolved.leaves} if was else {}
    new = {leaf.keys: leaf for leaf in will.resolved.leaves} if will else {}
    return [
        ComparedRow(_key(keys), _side(old.get(keys)), _side(new.get(keys)))
        for keys in dict.fromkeys([*new, *old])
    ]


def _side(leaf: Leaf | None) -> Side | None:
    return Side(shown(leaf.value), origin_of(leaf.origin)) if leaf else None


def _chosen(offered: Mapping[str, Offered], wanted: str) -> str:
    if wanted in offered:
        return wanted
    on = [name for name, one in offered.items() if one.enabled]
    return next(iter([*on, *offered]), "")


def _picker(offered: Mapping[str, Offered], chosen: str, keep: Iterable[Hidden]) -> Picker:
    options = (
        ComponentOption(name, one.component.group, is_on=one.enabled, is_chosen=name == chosen)
        for name, one in offered.items()
    )
    return Picker(tuple(options), tuple(keep))


def _source(offered: Offered) -> str:
    component = offered.component
    chart = " ".join(part for part in (component.chart, component.version) if part)
    state = "" if offered.enabled else f" It is off: {component.flag} is not true."
    return f"{chart}, release channel {offered.channel}.{state}"


def _unread(values: ClusterValues) -> str:
    if not values.unread:
        return ""
    groups = ", ".join(f"{group} ({release})" for group, release in sorted(values.unread.items()))
    return f"The components of {groups} are described in another repository and are not listed."


def _row(leaf: Leaf) -> ValueRow:
    note = "Null, and the chart has no default for it: its templates see null."
    return ValueRow(
        key=_key(leaf.keys),
        value=shown(leaf.value),
        origin=origin_of(leaf.origin),
        shadowed=_shadowed(leaf),
        note=note if leaf.value is None else "",
        search_url=f"{reverse('value-search')}?{urlencode({'q': '.'.join(leaf.keys)})}",
    )


def _removed(leaf: Leaf, *, chart_known: bool) -> ValueRow:
    return ValueRow(
        key=_key(leaf.keys),
        value="null",
        origin=origin_of(leaf.origin),
        shadowed=_shadowed(leaf),
        note="Null takes this key away."
        if chart_known
        else "Null takes the chart's own default away, where it has one.",
    )


def _shadowed(leaf: Leaf) -> tuple[Shadowed, ...]:
    return tuple(Shadowed(shown(value), origin_of(origin)) for value, origin in leaf.shadowed)


def _key(keys: Sequence[str]) -> str:
    """Keys as one path; a key with a dot of its own is quoted."""
    return ".".join(json.dumps(key) if "." in key or not key else key for key in keys)
