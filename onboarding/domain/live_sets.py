"""What the hub's own ApplicationSets make of a cluster, beside what Git foretells.

A set that Git describes is asked whether it agrees; one that Git does not know tells what Git
cannot. What labels alone cannot decide never counts as a reason to say that something comes or goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from onboarding.domain.live_sources import Wanted, differences
from onboarding.domain.plans import ApplicationForecast, PlanWarning
from onboarding.domain.releases import group_asked_for
from onboarding.domain.selectors import Match, application_set_match, label_keys
from onboarding.domain.snapshot import SnapshotFile

RESOURCES_FINALIZER = "resources-finalizer.argocd.argoproj.io"
"""Argo CD deletes what an Application deployed where the Application carries it (or a variant of it)."""

_CLUSTER_NAME = re.compile(r"\{\{-?\s*\.?name(?:Normalized)?\s*-?\}\}")
_KEEPING = ("create-only", "create-update")

LabelsOf = Callable[[str, Mapping[str, SnapshotFile]], Mapping[str, str] | None]

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
class KnownSets:
    """The ApplicationSets that a plan is held against.

    They are the hub's, as it was last seen, or those that an engine (`rendered_by`) made of the charts
    of the repository; `asked` tells that the hub was seen, so that none are none. `labels` gives the
    labels that the repository's own fleet-secret chart puts on the cluster of a member file, with some
    files as they are edited; None where it cannot be rendered.
    """

    sets: Sequence[Mapping[str, object]] = ()
    rendered_by: str = ""
    asked: bool = False
    labels: LabelsOf | None = None

    @property
    def whose(self) -> str:
        """Whose sets they are, for sentences."""
        return "repository" if self.rendered_by else "hub"


NO_SETS = KnownSets()


@dataclass(frozen=True, slots=True)
class Foretold:
    """What Git says, for the hub's sets to be held against.

    `components` are all that its catalogues describe and `flags` what switches them on;
    `unread` are the groups that it does not describe; `after` the components that the hub's Argo CD
    deploys to the cluster once the change is made, `wanted` what it then deploys of each.
    """

    cluster: str
    components: Collection[str]
    flags: Collection[str]
    unread: Collection[str]
    after: Collection[str]
    wanted: Mapping[str, Wanted] = field(default_factory=dict)


@dataclass(slots=True)
class Heard:
    """What the hub's sets add: Applications that only they tell of, doubts and disagreements."""

    before: Found = field(default_factory=dict)
    after: Found = field(default_factory=dict)
    doubtful: int = 0
    whose: str = "hub"
    warnings: list[PlanWarning] = field(default_factory=list)


def hear(
    known: KnownSets,
    before: Mapping[str, str] | None,
    after: Mapping[str, str],
    foretold: Foretold,
) -> Heard:
    """Hold ApplicationSets against a cluster's labels before (None: no cluster) and after."""
    heard = Heard(whose=known.whose)
    for one in known.sets:
        name, component = _names(one)
        was = application_set_match(one, before) if before is not None else Match.NO
        will = application_set_match(one, after)
        if component in foretold.components:
            _compare(heard, one, name, component, will, foretold)
        elif not name or label_keys(one) & set(foretold.flags):
            continue
        elif Match.UNKNOWN in (was, will):
            heard.doubtful += 1
        else:
            _tell(heard, one, name, was, will, foretold)
    there = {_names(one)[1] for one in known.sets}
    for component in sorted(set(foretold.after) - there) if known.sets or known.asked else ():
        said = (
            f"The hub has no ApplicationSet for {component}, so nothing deploys it there. It may not "
            "have read the latest commit; look at the bootstrap Applications on the hub."
            if not known.rendered_by
            else f"The repository's charts render no ApplicationSet for {component}, so nothing deploys it."
        )
        heard.warnings.append(PlanWarning(said, "hub_lacks_set"))
    return heard


def _compare(
    heard: Heard,
    one: Mapping[str, object],
    name: str,
    component: str,
    will: Match,
    foretold: Foretold,
) -> None:
    expected = Match.YES if component in foretold.after else Match.NO
    found: list[str] = []
    if will not in (Match.UNKNOWN, expected):
        word = "selects" if will is Match.YES else "does not select"
        found.append(f"{word} a cluster with these labels, other than this repository says")
    elif expected is Match.YES and component in foretold.wanted:
        found += [f"deploys {said}" for said in differences(one, foretold.wanted[component])]
    why = (
        "The hub may not have read the latest commit, or somebody changed it."
        if heard.whose == "hub"
        else "Mend its chart, or the catalogue."
    )
    heard.warnings += [
        PlanWarning(f"The {heard.whose}'s ApplicationSet {name} {said}. {why}", "hub_differs")
        for said in found
    ]


def _tell(
    heard: Heard,
    one: Mapping[str, object],
    name: str,
    was: Match,
    will: Match,
    foretold: Foretold,
) -> None:
    made = _made(one, name, foretold, heard.whose)
    goes = going(one)
    if was is Match.YES and will is Match.NO and goes is Going.STAYS:
        said = f"The {heard.whose}'s ApplicationSet {name} never deletes: {made.name} stays, and nobody minds it."
        heard.warnings.append(PlanWarning(said, "hub_keeps"))
        return
    # By the set and not by the name: two sets that make one name are two, until somebody refuses it.
    key = (f"ApplicationSet {name}", made.deployed_by.value)
    if was is Match.YES:
        heard.before[key] = made
    if will is Match.YES:
        heard.after[key] = made


def _made(
    one: Mapping[str, object], name: str, foretold: Foretold, whose: str
) -> ApplicationForecast:
    unread = sorted(foretold.unread)
    return ApplicationForecast(
        name=plain_name(one, foretold.cluster) or f"{name}-{foretold.cluster}",
        component=name,
        group=group_asked_for(label_keys(one)) or (unread[0] if len(unread) == 1 else ""),
        version="",
        destination=foretold.cluster,
        namespace="",
        cause=f"The {whose}'s ApplicationSet {name} selects it; only the hub can confirm that.",
        # What cannot be told is said to delete: a surprise may only be a good one.
        deletes_resources=going(one) is not Going.LEAVES,
        from_hub=True,
    )


def name_template(application_set: Mapping[str, object]) -> str:
    """The template of the names of a set's Applications; "" where it shows none."""
    found = _map(_map(_map(application_set, "spec"), "template"), "metadata").get("name")
    return found if isinstance(found, str) else ""


def plain_name(application_set: Mapping[str, object], cluster: str) -> str:
    """The name of a set's Application for a cluster, where nothing but the cluster's name is put in; else ""."""
    found = _CLUSTER_NAME.sub(cluster, name_template(application_set))
    return "" if "{{" in found else found


def _names(application_set: Mapping[str, object]) -> tuple[str, str]:
    """The set's name, and the component that it says it deploys."""
    metadata = _map(application_set, "metadata")
    name = str(metadata.get("name") or application_set.get("name") or "")
    return name, str(_map(metadata, "labels").get("fleet/component") or name)


def _map(data: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = data.get(key)
    return found if isinstance(found, Mapping) else {}
