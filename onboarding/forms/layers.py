"""The form of a shared layer: typed rows become keys and values, or say at their row why not."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.intents import EditLayer, LayerEdit, Scalar
from onboarding.domain.labels import LABELS_KEYS

MOST_ROWS = 130
TYPES = {"text": "text", "number": "whole number", "switch": "true or false"}
_PART = re.compile(r'"((?:[^"\\]|\\.)*)"|([^."]+)')
_NUMBER = re.compile(r"-?[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class TypedRow:
    """One row as it was typed. `was` is the value that the file had, as JSON; "" for a new key."""

    number: int
    key: str
    value: str
    type: str = "text"
    was: str = ""
    is_removed: bool = False


def typed_rows(posted: Mapping[str, str]) -> tuple[TypedRow, ...]:
    """The rows of the form that have a key."""
    found = []
    for number in range(MOST_ROWS):
        key = posted.get(f"key-{number}", "").strip()
        if not key:
            continue
        kind = posted.get(f"type-{number}", "text")
        found.append(
            TypedRow(
                number=number,
                key=key,
                value=posted.get(f"value-{number}", "").strip(),
                type=kind if kind in TYPES else "text",
                was=posted.get(f"was-{number}", ""),
                is_removed=bool(posted.get(f"remove-{number}")),
            )
        )
    return tuple(found)


def intent_of(path: str, rows: tuple[TypedRow, ...], *, is_labels: bool) -> EditLayer:
    """The edit that the rows ask for; a row that says what the file said asks for nothing.

    Raises `Refused` with each row that cannot be taken, at its key.
    """
    edits, refusals = [], []
    for row in rows:
        try:
            keys = (*LABELS_KEYS, row.key) if is_labels else keys_of(row.key)
            value = None if row.is_removed else _value(row)
        except Refused as refused:
            refusals += [Refusal(one.message, row.key, one.code) for one in refused.refusals]
            continue
        if not row.is_removed and row.was and row.was == json.dumps(value):
            continue
        edits.append(LayerEdit(keys, value))
    if refusals:
        raise Refused.of(refusals)
    return EditLayer(path, tuple(edits))


def keys_of(text: str) -> tuple[str, ...]:
    """The way to a key, with dots between its names; a name that has a dot stands in double quotes."""
    found, at = [], 0
    while at < len(text):
        part = _PART.match(text, at)
        if part is None:
            break
        found.append(json.loads(part[0]) if part[1] is not None else part[2])
        at = part.end()
        if at < len(text) and text[at] == "." and at + 1 < len(text):
            at += 1
        elif at < len(text):
            break
    if at < len(text) or not found:
        raise Refused(
            "Write the way to a key with dots between its names, as in controller.replicas; a name "
            'that has a dot stands in double quotes, as in annotations."example.com/team".',
            code="invalid_key",
        )
    return tuple(found)


def shown_key(keys: tuple[str, ...]) -> str:
    """The same way back, as `keys_of` reads it."""
    return ".".join(json.dumps(one) if "." in one or '"' in one or not one else one for one in keys)


def type_of(value: Scalar) -> str:
    """The kind of a value in the form."""
    if isinstance(value, bool):
        return "switch"
    return "number" if isinstance(value, int) else "text"


def _value(row: TypedRow) -> Scalar:
    if row.type == "switch":
        if row.value not in ("true", "false"):
            raise Refused("Write true or false.", code="invalid_switch")
        return row.value == "true"
    if row.type == "number":
        if not _NUMBER.fullmatch(row.value):
            raise Refused("Write a whole number of at most 16 digits.", code="invalid_number")
        return int(row.value)
    return row.value
