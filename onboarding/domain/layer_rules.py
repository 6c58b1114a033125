"""What is refused of an edit of a shared layer before anything is planned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.intents import EditLayer, LayerEdit
from onboarding.domain.labels import LABELS_KEYS, is_source, reserved
from onboarding.domain.layout import FleetLayout, LayerScope
from onboarding.domain.names import LabelKey, LabelValue
from onboarding.domain.releases import RELEASE_LABELS, Releases
from onboarding.domain.secret_words import secret_problem
from onboarding.domain.yaml.yamltext import safe_scalar

LARGEST = 2**53
"""Whole numbers beyond it are not the same to every reader of YAML and JSON."""

_DEEPEST = 12


def scope_of(intent: EditLayer, layout: FleetLayout) -> LayerScope:
    """The layer that an edit is about; raises `Refused` where its path is none that clusters share."""
    scope = layout.parse_layer_path(intent.path)
    if scope is None:
        raise Refused(
            f"{intent.path!r:.200} is no values file of the fleet's layout: no cluster would read it.",
            field="path",
            code="no_layer",
        )
    if scope.cluster:
        raise Refused(
            f"{intent.path} belongs to the cluster {scope.cluster} alone. Edit that cluster instead.",
            field="path",
            code="one_cluster",
        )
    return scope


def check_edits(
    intent: EditLayer, scope: LayerScope, layout: FleetLayout, releases: Releases
) -> Iterator[Refusal]:
    """Every reason against the asked keys and values, each at its key."""
    if not intent.edits:
        yield Refusal("Change at least one key.", "", "nothing_to_change")
    counted = Counter(one.keys for one in intent.edits)
    for keys, count in counted.items():
        if count > 1:
            yield Refusal(f"{'.'.join(keys)} is named twice. Keep one.", ".".join(keys), "twice")
    is_labels = scope.component == layout.labels_component
    for edit in intent.edits:
        yield from _check_label(edit, releases) if is_labels else _check_value(edit)


def _check_label(edit: LayerEdit, releases: Releases) -> Iterator[Refusal]:
    """A label that every cluster below may carry, as the form of one cluster would take it."""
    if edit.keys[:-1] != LABELS_KEYS:
        yield Refusal("Only labels are edited here.", ".".join(edit.keys), "no_label")
        return
    key, value = edit.keys[-1], edit.value
    if value is None:
        return
    text = value if isinstance(value, str) else ""
    problems = [
        *_refusals(lambda: LabelKey(key), key),
        *([Refusal(said, key, "reserved")] if (said := reserved(key) or is_source(key)) else ()),
    ]
    if not isinstance(value, str):
        problems.append(Refusal(f"{key} is a label, and labels are text.", key, "no_text"))
    problems += _refusals(lambda: safe_scalar(text, key), key) or _refusals(
        lambda: LabelValue(text), key
    )
    problems += [Refusal(said, key, "secret")] if (said := secret_problem((key,), value)) else []
    yield from problems
    if problems:
        return
    if key.startswith("enable_") and value not in ("true", "false"):
        yield Refusal(f"{key} is either true or false. Choose one.", key, "invalid_flag")
    for group, label in RELEASE_LABELS.items():
        known = releases.types(group)
        if key == label and value not in known:
            offered = f"Choose one of: {', '.join(known)}." if known else f"It has no {group}."
            yield Refusal(
                f"{releases.path} has no {group} release called {value!r:.80}. {offered}",
                key,
                "unknown_channel",
            )


def _check_value(edit: LayerEdit) -> Iterator[Refusal]:
    """A value of a component: text, a whole number or a switch; no template and no secret."""
    where = ".".join(edit.keys)
    if not edit.keys or len(edit.keys) > _DEEPEST or not all(edit.keys):
        yield Refusal("A key is one to twelve names with dots between them.", where, "invalid_key")
        return
    for key in edit.keys:
        yield from _refusals(lambda key=key: safe_scalar(key, where), where)  # type: ignore[misc]
    value = edit.value
    if isinstance(value, str):
        yield from _refusals(lambda: safe_scalar(value, where), where)
    elif value is not None and not isinstance(value, bool) and abs(value) > LARGEST:
        yield Refusal(
            f"{where} is too large a number to be read alike everywhere. Write it as text.",
            where,
            "too_large",
        )
    if said := secret_problem(edit.keys, value):
        yield Refusal(said, where, "secret")


def _refusals(check: Callable[[], object], field: str) -> list[Refusal]:
    try:
        check()
    except Refused as refused:
        return [Refusal(one.message, field, one.code) for one in refused.refusals]
    return []
