"""A plan as a page shows it, from the columns that a change keeps of it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from django.core.paginator import Paginator
from django.urls import reverse

from onboarding.domain.plan_text import basis
from onboarding.services.plan_records import moved_of
from onboarding.views.listing import PAGE_SIZE, pagination
from onboarding.views.pages import (
    FileChange,
    Impact,
    ImpactRow,
    LabelChange,
    MovedCluster,
    Notice,
    Origin,
    Plan,
    ValueDelta,
)

_OPEN = 3


def plan_from_record(
    record: Mapping[str, Any], *, digest: str = "", moved_page: str = "", demand: str = ""
) -> Plan | None:
    """The stored plan (`services.plan_records`) as a page object; None where there is none.

    `demand` is what approval it will need, where nobody asked for it yet.
    """
    if not record:
        return None
    return Plan(
        files=tuple(_file(edit) for edit in record["edits"]),
        patch=record["patch"],
        impact=impact_from_record(record["impact"]),
        labels=_labels(record["labels_before"], record["labels_after"]),
        notices=tuple(
            Notice(message=warning["message"], about=warning.get("path", ""))
            for warning in record["warnings"]
        ),
        base_commit=record["commit"],
        digest=digest,
        demand=demand,
        **_layer(record, moved_page),
    )


def _layer(record: Mapping[str, Any], number: str) -> dict[str, Any]:
    """What the plan of a shared layer adds: one page of the clusters that it moves."""
    if "moved" not in record:
        return {}
    page = Paginator(list(moved_of(record)), PAGE_SIZE).get_page(number)
    return {
        "is_layer": True,
        "moving": len(record["moved"]),
        "moved_pages": pagination(page),
        "moved": tuple(
            _moved(one, impact, is_open=page.number == 1 and at < _OPEN)
            for at, (one, impact) in enumerate(page.object_list)
        ),
    }


def _moved(one: Mapping[str, Any], impact: Mapping[str, Any], *, is_open: bool) -> MovedCluster:
    return MovedCluster(
        hub=one["hub"],
        name=one["cluster"],
        url=reverse("cluster-detail", args=[one["hub"], one["cluster"]]),
        impact=replace(impact_from_record(impact), basis=""),
        labels=tuple(LabelChange(key, was, will) for key, was, will in one["labels"]),
        values=tuple(ValueDelta(*each) for each in one["values"]),
        problem=one["problem"],
        is_open=is_open,
    )


def _file(edit: Mapping[str, Any]) -> FileChange:
    verb: Literal["new file", "changed", "deleted"] = "changed"
    if not edit["before_blob"]:
        verb = "new file"
    elif edit["after"] is None:
        verb = "deleted"
    before = (edit["before"] or "").splitlines()
    after = (edit["after"] or "").splitlines()
    added = removed = 0
    for line in difflib.ndiff(before, after) if len(before) + len(after) < 2000 else ():
        added += line.startswith("+ ")
        removed += line.startswith("- ")
    return FileChange(path=edit["path"], verb=verb, added=added, removed=removed)


def impact_from_record(record: Mapping[str, Any]) -> Impact:
    """What follows for Applications, as a page object."""
    return Impact(
        appear=tuple(_row(item) for item in record["appear"]),
        change=tuple(
            _row(after, version_before=before["version"]) for before, after in record["change"]
        ),
        disappear=tuple(_row(item, gone=True) for item in record["disappear"]),
        is_complete=record["complete"],
        note=record["note"],
        basis=basis(record.get("live_sets", 0), record.get("rendered_by", "")),
    )


def _row(item: Mapping[str, Any], *, version_before: str = "", gone: bool = False) -> ImpactRow:
    return ImpactRow(
        name=item["name"],
        component=item["component"],
        version_before=item["version"] if gone else version_before,
        version_after="" if gone else item["version"],
        destination=item["destination"],
        cause=item["cause"],
        deletes_resources=gone and item["deletes_resources"],
    )


def _labels(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> tuple[LabelChange, ...]:
    """The labels that differ, in the order of their keys."""
    old = {label["key"]: label for label in before}
    new = {label["key"]: label for label in after}
    changes = []
    for key in sorted(old.keys() | new.keys()):
        was, will = old.get(key), new.get(key)
        if was and will and was["value"] == will["value"]:
            continue
        known: Mapping[str, Any] = will or was or {}
        changes.append(
            LabelChange(
                key=key,
                before=was["value"] if was else None,
                after=will["value"] if will else None,
                origin=Origin(layer=known["layer"], path=known["path"], line=known["line"] or None),
            )
        )
    return tuple(changes)
