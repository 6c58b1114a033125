"""What the hub's own ApplicationSets make of a cluster, beside what Git foretells.

A set that Git describes is asked whether it agrees; one that Git does not know tells what Git
cannot. What labels alone cannot decide never counts as a reason to say that something comes or goes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from onboarding.domain.live_sources import Wanted, differences, plain_version
from onboarding.domain.plans import ApplicationForecast, PlanWarning, sha256
from onboarding.domain.releases import group_asked_for
from onboarding.domain.selectors import Match, application_set_match, label_keys
from onboarding.domain.snapshot import SnapshotFile

REFRESH_ANNOTATION = "argocd.argoproj.io/application-set-refresh"
"""Asks an ApplicationSet to look at Git; its controller takes it away when it has looked."""

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


class KnownSet:
    """One ApplicationSet, read once; what it says to the labels of one cluster it says to those of a thousand."""

    def __init__(self, data: Mapping[str, object]) -> None:
        self.data = data
        self.name, self.component = _names(data)
        self.keys = label_keys(data)
        self.going = going(data)
        self.version = plain_version(data)
        self._decisive = sorted(self.keys)
        self._matches: dict[tuple[str | None, ...], Match] = {}
        self._differences: dict[Wanted, tuple[str, ...]] = {}

    @cached_property
    def digest(self) -> str:
        """What stands for all that it makes of a cluster."""
        spec = _map(self.data, "spec")
        return sha256(
            {key: repr(spec[key]) for key in sorted(spec) if key in ("template", "templatePatch")}
        )

    def match(self, labels: Mapping[str, str] | None) -> Match:
        """Whether it makes an Application for a cluster with these labels; NO for no cluster."""
        if labels is None:
            return Match.NO
        values = tuple(labels.get(key) for key in self._decisive)
        if values not in self._matches:
            self._matches[values] = application_set_match(self.data, labels)
        return self._matches[values]

    def differences(self, wanted: Wanted) -> tuple[str, ...]:
        """How what it plainly deploys differs from what Git foretells."""
        if wanted not in self._differences:
            self._differences[wanted] = tuple(differences(self.data, wanted))
        return self._differences[wanted]


@dataclass(frozen=True)
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

    @property
    def are_told(self) -> bool:
        """Whether anybody said which sets there are."""
        return bool(self.sets or self.asked)

    @cached_property
    def by_name(self) -> Mapping[str, KnownSet]:
        """The sets by their names."""
        return {one.name: one for one in map(KnownSet, self.sets)}


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
    *,
    later: KnownSets | None = None,
    now: Foretold | None = None,
) -> Heard:
    """Hold ApplicationSets against a cluster's labels before (None: no cluster) and after.

    `later` are those after a commit that changes the sets themselves. `now` is what Git says without
    the change: then the sets are asked whether they agree with that, for of what comes by the change
    they cannot know yet.
    """
    heard = Heard(whose=known.whose)
    held, flags = now or foretold, frozenset(foretold.flags)
    old, new = known.by_name, (later or known).by_name
    for name in dict.fromkeys([*old, *new]):
        one = new.get(name) or old[name]
        was = old[name].match(before) if name in old else Match.NO
        will = new[name].match(after) if name in new else Match.NO
        if one.component in foretold.components:
            if now is None or (before is not None and name in old):
                _compare(heard, old[name] if now else one, was if now else will, held)
        elif not name or one.keys & flags:
            continue
        elif Match.UNKNOWN in (was, will):
            heard.doubtful += 1
        else:
            _tell(heard, (old.get(name), new.get(name)), (was, will), foretold)
    there = {one.component for one in known.by_name.values()}
    for component in sorted(set(held.after) - there) if known.are_told else ():
        said = (
            f"The hub has no ApplicationSet for {component}, so nothing deploys it there. It may not "
            "have read the latest commit; look at the bootstrap Applications on the hub."
            if not known.rendered_by
            else f"The repository's charts render no ApplicationSet for {component}, so nothing deploys it."
        )
        heard.warnings.append(PlanWarning(said, "hub_lacks_set"))
    return heard


def _compare(heard: Heard, one: KnownSet, match: Match, foretold: Foretold) -> None:
    expected = Match.YES if one.component in foretold.after else Match.NO
    found: list[str] = []
    if match not in (Match.UNKNOWN, expected):
        word = "selects" if match is Match.YES else "does not select"
        found.append(f"{word} a cluster with these labels, other than this repository says")
    elif expected is Match.YES and one.component in foretold.wanted:
        found += [f"deploys {said}" for said in one.differences(foretold.wanted[one.component])]
    why = (
        "The hub may not have read the latest commit, or somebody changed it."
        if heard.whose == "hub"
        else "Mend its chart, or the catalogue."
    )
    heard.warnings += [
        PlanWarning(f"The {heard.whose}'s ApplicationSet {one.name} {said}. {why}", "hub_differs")
        for said in found
    ]


def _tell(
    heard: Heard,
    sides: tuple[KnownSet | None, KnownSet | None],
    matches: tuple[Match, Match],
    foretold: Foretold,
) -> None:
    was, will = (
        one if match is Match.YES else None for one, match in zip(sides, matches, strict=True)
    )
    if was and not will and was.going is Going.STAYS:
        made = _made(was, foretold, heard.whose)
        said = (
            f"The {heard.whose}'s ApplicationSet {was.name} never deletes: {made.name} stays, and "
            "nobody minds it."
        )
        heard.warnings.append(PlanWarning(said, "hub_keeps"))
        return
    # By the set and not by the name: two sets that make one name are two, until somebody refuses it.
    for one, found in ((was, heard.before), (will, heard.after)):
        if one:
            made = _made(one, foretold, heard.whose)
            found[f"ApplicationSet {one.name}", made.deployed_by.value] = made


def _made(one: KnownSet, foretold: Foretold, whose: str) -> ApplicationForecast:
    unread = sorted(foretold.unread)
    return ApplicationForecast(
        name=plain_name(one.data, foretold.cluster) or f"{one.name}-{foretold.cluster}",
        component=one.name,
        group=group_asked_for(one.keys) or (unread[0] if len(unread) == 1 else ""),
        version=one.version,
        destination=foretold.cluster,
        namespace="",
        cause=f"The {whose}'s ApplicationSet {one.name} selects it; only the hub can confirm that.",
        values_digest=one.digest,
        # What cannot be told is said to delete: a surprise may only be a good one.
        deletes_resources=one.going is not Going.LEAVES,
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
