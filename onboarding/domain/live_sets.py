"""What the hub's own ApplicationSets make of a cluster, beside what Git foretells.

A set that Git describes is asked whether it agrees; one that Git does not know tells what Git
cannot. What labels alone cannot decide never counts as a reason to say that something comes or goes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from onboarding.domain.plans import ApplicationForecast, PlanWarning
from onboarding.domain.releases import group_asked_for
from onboarding.domain.selectors import Match, application_set_match, label_keys

RESOURCES_FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""Argo CD deletes what an Application deployed where the Application carries it (or a variant of it)."""

_KEEPING = ("create-only", "create-update")

Found = dict[tuple[str, str], ApplicationForecast]


class Going(StrEnum):
    """What happens where an ApplicationSet makes an Application no longer."""

    DELETES = "deletes its resources"
    LEAVES = "leaves its resources"
    STAYS = "stays as it is"
    UNKNOWN = "unknown"


def going(application_set: Mapping[str, object]) -> Going:
    """What becomes of an Application that the set makes no longer, and of its resources.

    `applicationsSync` of `create-only` or `create-update` keeps the Application. Else it is deleted,
    and Argo CD deletes its resources where it carries the resources finalizer: by the set's template
    or patch, or, where the template names none, unless `preserveResourcesOnDeletion` is set.
    Source: `applicationset/utils/utils.go` and `applicationset_controller.go` of Argo CD 3.2.
    """
    spec = _map(application_set, "spec")
    policy = _map(spec, "syncPolicy")
    if policy.get("applicationsSync") in _KEEPING:
        return Going.STAYS
    patch = spec.get("templatePatch")
    if isinstance(patch, str) and "finalizers" in patch:
        return Going.DELETES if RESOURCES_FINALIZER in patch else Going.UNKNOWN
    finalizers = _map(_map(spec, "template"), "metadata").get("finalizers")
    if isinstance(finalizers, list | tuple) and finalizers:
        cascading = any(str(one).startswith(RESOURCES_FINALIZER) for one in finalizers)
        return Going.DELETES if cascading else Going.LEAVES
    return Going.LEAVES if policy.get("preserveResourcesOnDeletion") is True else Going.DELETES


@dataclass(frozen=True, slots=True)
class Foretold:
    """What Git says, for the hub's sets to be held against.

    `components` are all that its catalogues describe and `flags` what switches them on;
    `unread` are the groups that it does not describe; `after` the components that the hub's Argo CD
    deploys to the cluster once the change is made.
    """

    cluster: str
    components: Collection[str]
    flags: Collection[str]
    unread: Collection[str]
    after: Collection[str]


@dataclass(slots=True)
class Heard:
    """What the hub's sets add: Applications that only they tell of, doubts and disagreements."""

    before: Found = field(default_factory=dict)
    after: Found = field(default_factory=dict)
    doubtful: int = 0
    warnings: list[PlanWarning] = field(default_factory=list)


def hear(
    live_sets: Sequence[Mapping[str, object]],
    before: Mapping[str, str] | None,
    after: Mapping[str, str],
    foretold: Foretold,
) -> Heard:
    """Hold the hub's ApplicationSets against a cluster's labels before (None: no cluster) and after."""
    heard = Heard()
    for one in live_sets:
        name, component = _names(one)
        was = application_set_match(one, before) if before is not None else Match.NO
        will = application_set_match(one, after)
        if component in foretold.components:
            _compare(heard, name, component, will, foretold)
        elif not name or label_keys(one) & set(foretold.flags):
            continue
        elif Match.UNKNOWN in (was, will):
            heard.doubtful += 1
        else:
            _tell(heard, one, name, was, will, foretold)
    there = {_names(one)[1] for one in live_sets}
    for component in sorted(set(foretold.after) - there) if live_sets else ():
        said = (
            f"The hub has no ApplicationSet for {component}, so nothing deploys it there. It may not "
            "have read the latest commit; look at the bootstrap Applications on the hub."
        )
        heard.warnings.append(PlanWarning(said, "hub_lacks_set"))
    return heard


def _compare(heard: Heard, name: str, component: str, will: Match, foretold: Foretold) -> None:
    expected = Match.YES if component in foretold.after else Match.NO
    if will in (Match.UNKNOWN, expected):
        return
    word = "selects" if will is Match.YES else "does not select"
    heard.warnings.append(
        PlanWarning(
            f"The hub's ApplicationSet {name} {word} a cluster with these labels, other than this "
            "repository says. The hub may not have read the latest commit, or somebody changed it.",
            "hub_differs",
        )
    )


def _tell(
    heard: Heard,
    one: Mapping[str, object],
    name: str,
    was: Match,
    will: Match,
    foretold: Foretold,
) -> None:
    made = _made(one, name, foretold)
    goes = going(one)
    if was is Match.YES and will is Match.NO and goes is Going.STAYS:
        said = f"The hub's ApplicationSet {name} never deletes: {made.name} stays, and nobody minds it."
        heard.warnings.append(PlanWarning(said, "hub_keeps"))
        return
    if was is Match.YES:
        heard.before[made.identity()] = made
    if will is Match.YES:
        heard.after[made.identity()] = made


def _made(one: Mapping[str, object], name: str, foretold: Foretold) -> ApplicationForecast:
    unread = sorted(foretold.unread)
    return ApplicationForecast(
        name=f"{name}-{foretold.cluster}",
        component=name,
        group=group_asked_for(label_keys(one)) or (unread[0] if len(unread) == 1 else ""),
        version="",
        destination=foretold.cluster,
        namespace="",
        cause=f"The hub's ApplicationSet {name} selects it; only the hub can confirm that.",
        # What cannot be told is said to delete: a surprise may only be a good one.
        deletes_resources=going(one) is not Going.LEAVES,
        from_hub=True,
    )


def _names(application_set: Mapping[str, object]) -> tuple[str, str]:
    """The set's name, and the component that it says it deploys."""
    metadata = _map(application_set, "metadata")
    name = str(metadata.get("name") or application_set.get("name") or "")
    return name, str(_map(metadata, "labels").get("fleet/component") or name)


def _map(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}
