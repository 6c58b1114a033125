"""What an edit of a shared layer comes to: the file's new text, and every cluster that it moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.fleet_plan import ClusterPlan, FleetPlan, SetsOf, plan_fleet
from onboarding.domain.hierarchy import resolve
from onboarding.domain.intents import EditLayer
from onboarding.domain.labels import NO_LABELS
from onboarding.domain.layer_rules import check_edits, scope_of
from onboarding.domain.layering import Leaf
from onboarding.domain.layout import LABELS_GROUP, FleetLayout, LayerScope
from onboarding.domain.live_sets import NO_SETS
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from onboarding.domain.overlay import OverlaidSnapshot
from onboarding.domain.plans import (
    FileEdit,
    Impact,
    Moved,
    Plan,
    PlanWarning,
    ReadSet,
    blob_id,
    sha256,
)
from onboarding.domain.releases import parse_releases
from onboarding.domain.snapshot import (
    RecordingSnapshot,
    RememberingSnapshot,
    Snapshot,
    SnapshotFile,
)
from onboarding.domain.value_changes import ValueChanges
from onboarding.domain.yaml.yamltext import remove_value, set_value

_NAMED = 5


def _no_sets(before: Snapshot, after: Snapshot) -> SetsOf:
    return lambda hub: (NO_SETS, NO_SETS)


def plan_layer(
    intent: EditLayer,
    snapshot: Snapshot,
    layout: FleetLayout,
    *,
    go_on: Callable[[], bool] = lambda: True,
    sets_of: Callable[[Snapshot, Snapshot], SetsOf] = _no_sets,
) -> Plan:
    """Plan an edit of a layer on the repository at one commit; nothing is written.

    The read set holds the folder of the members and every member file, for any cluster may join the
    layer or leave it: where one does, the plan is made anew, and its digest covers each that moves.
    `sets_of` gives the hub's ApplicationSets for the two sides. With `go_on` it is asked before each
    cluster whether there is time for it; those that were not looked at are in the warnings.

    Raises `Refused` with all refusals at once, each at its key.
    """
    if not snapshot.commit:
        raise Refused("The fleet repository is empty: it has no layer to edit.", code="empty")
    recorded = RecordingSnapshot(snapshot)
    scope = scope_of(intent, layout)
    releases = parse_releases(recorded.read(layout.releases), path=layout.releases)
    if refusals := [*check_edits(intent, scope, layout, releases)]:
        raise Refused.of(refusals)
    edit = _edit(intent, recorded.read(intent.path))
    text = edit.after or ""
    file = SnapshotFile(edit.path, edit.after_blob, text.encode())
    before = RememberingSnapshot(recorded)
    after = OverlaidSnapshot(before, {edit.path: file})
    found = plan_fleet(
        before, after, {edit.path}, layout, go_on=go_on, sets_of=sets_of(before, after)
    )
    values = ValueChanges(before, after, releases, layout)
    moved = tuple(_moved(one, values) for one in found.moved)
    return Plan(
        commit=recorded.commit,
        intent=intent,
        edits=(edit,),
        labels_before=NO_LABELS,
        labels_after=NO_LABELS,
        impact=_together([one.impact for one in moved]),
        warnings=tuple(
            dict.fromkeys([*_said(intent, scope, found, after, layout), *found.warnings])
        ),
        reads=ReadSet(recorded.files_read, recorded.folders_listed),
        moved=moved,
        layout=layout_mark(layout),
    )


def layout_mark(layout: FleetLayout) -> str:
    """What tells one layout from another: who reads a file hangs on all of it."""
    return sha256(layout.to_data())


def _edit(intent: EditLayer, file: SnapshotFile | None) -> FileEdit:
    """The file with nothing in it changed but what is asked; keys come by name, in any order asked."""
    try:
        before = None if file is None else file.content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(
            f"{intent.path} is not UTF-8 text. Mend it in Git first.", code="malformed_yaml"
        ) from error
    text, refusals = before, []
    for one in sorted(intent.edits, key=lambda each: each.keys):
        try:
            if one.value is not None:
                text = set_value(text or "", one.keys, one.value)
            elif text is not None:
                text = remove_value(text, one.keys)
        except Refused as refused:
            where = ".".join(one.keys)
            refusals += [
                Refusal(f"{intent.path}: {each.message}", where, each.code)
                for each in refused.refusals
            ]
    if refusals:
        raise Refused.of(dict.fromkeys(refusals))
    if text is None or text == before:
        raise Refused(
            "Nothing would change: the layer already says so. Change something, or leave it.",
            code="nothing_to_change",
        )
    blob = "" if before is None else blob_id(before.encode())
    return FileEdit(intent.path, blob, blob_id(text.encode()), before, text)


def _moved(one: ClusterPlan, values: ValueChanges) -> Moved:
    return Moved(
        hub=str(one.hub),
        cluster=str(one.cluster),
        path=one.path,
        labels=one.labels,
        impact=one.impact,
        values=() if one.problem else values.of(one),
        problem=one.problem,
    )


def _together(impacts: Sequence[Impact]) -> Impact:
    """The impact on all clusters, those of each in one piece and in their order."""
    notes = dict.fromkeys(one.note for one in impacts if one.note)
    return Impact(
        appear=tuple(chain.from_iterable(one.appear for one in impacts)),
        change=tuple(chain.from_iterable(one.change for one in impacts)),
        disappear=tuple(chain.from_iterable(one.disappear for one in impacts)),
        complete=all(one.complete for one in impacts),
        note=" ".join(notes),
        live_sets=max((one.live_sets for one in impacts), default=0),
        rendered_by=next((one.rendered_by for one in impacts if one.rendered_by), ""),
    )


def _said(
    intent: EditLayer,
    scope: LayerScope,
    found: FleetPlan,
    after: Snapshot,
    layout: FleetLayout,
) -> Iterator[PlanWarning]:
    """What a reviewer should know of those that do not move: who covers a key, and that none moves."""
    if found.left_out:
        yield PlanWarning(
            f"{found.left_out} clusters were not looked at, for lack of time. Asking for approval looks "
            "at all of them.",
            "left_out",
        )
    covering: Counter[tuple[str, str]] = Counter()
    readers = 0
    for one in found.still:
        covered = _covering(intent, scope, one, after, layout)
        readers += covered is not None
        covering.update(covered or ())
    if not found.moved and not found.left_out:
        yield PlanWarning(_nobody(readers, covering), "no_cluster_moves", intent.path)
    for (key, path), count in covering.most_common(_NAMED):
        clusters = "1 cluster" if count == 1 else f"{count} clusters"
        yield PlanWarning(
            f"For {clusters} {path} says {key} otherwise, so nothing becomes of it there.",
            "covered",
            path,
        )
    if len(covering) > _NAMED:
        yield PlanWarning(f"{len(covering) - _NAMED} more files say it otherwise.", "covered_more")


def _nobody(readers: int, covering: Counter[tuple[str, str]]) -> str:
    if not readers:
        return "No cluster moves: none reads this file yet."
    read = "1 cluster reads" if readers == 1 else f"{readers} clusters read"
    why = (
        "each has a file above it that says otherwise, or lacks the component"
        if covering
        else "for each of them all stays as it is, or it lacks the component"
    )
    return f"No cluster moves: {read} this file, and {why}."


def _covering(
    intent: EditLayer,
    scope: LayerScope,
    one: ClusterPlan,
    after: Snapshot,
    layout: FleetLayout,
) -> list[tuple[str, str]] | None:
    """The asked keys that another file says for a cluster, each with that file.

    None where the cluster does not read the edited file.
    """
    file = after.read(one.path)
    if file is None:
        return None
    try:
        placement = parse_member(file).placement(HubName(one.hub))
        group = (
            LABELS_GROUP if scope.component == layout.labels_component else _group(scope, layout)
        )
        layers = layout.layer_paths(placement, scope.component, group=group)
        if intent.path not in {layer.path for layer in layers}:
            return None
        resolved = resolve([(layer, after.read(layer.path)) for layer in layers])
    except Refused:
        return None
    known = {leaf.keys: leaf for leaf in (*resolved.leaves, *resolved.removed)}
    found = []
    for edit in intent.edits:
        leaf = _at(known, edit.keys)
        if leaf is not None and leaf.origin.path != intent.path and edit.value is not None:
            found.append((edit.keys[-1], leaf.origin.path))
    return found


def _at(known: dict[tuple[str, ...], Leaf], keys: tuple[str, ...]) -> Leaf | None:
    """The effective value at a key, or the whole that stands above it."""
    return next((known[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in known), None)


def _group(scope: LayerScope, layout: FleetLayout) -> str:
    """A group whose components lie below the folder of a file."""
    return next(group for group, base in layout.bases.items() if base == scope.base)
