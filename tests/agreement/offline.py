"""One commit held against Helm alone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.names import ClusterName, HubName
from tests.agreement.facts import ClusterFacts, changes, differences
from tests.agreement.predicted import Step, steps
from tests.agreement.rendered import Checkout, Rendered
from tests.agreement.situations import HUB, Commit, describe
from tests.template.helm import Helm


def misses(commit: Commit, helm: Helm) -> dict[str, list[str]]:
    """The clusters of a commit of which the product says other things than Helm, and which."""
    with tempfile.TemporaryDirectory() as folder:
        joined, changed = steps(commit)
        first = _rendered(joined, {}, helm, Path(folder) / "joined")
        second = _rendered(changed, first, helm, Path(folder) / "changed")
    said = {
        cluster: [
            *differences(joined.facts[cluster], first[cluster]),
            *(f"then {line}" for line in differences(changed.facts[cluster], second[cluster])),
            *_untold(changed, cluster, first[cluster], second[cluster]),
        ]
        for cluster in first
    }
    return {cluster: lines for cluster, lines in said.items() if lines}


def _rendered(
    step: Step, earlier: Mapping[str, ClusterFacts], helm: Helm, folder: Path
) -> dict[str, ClusterFacts]:
    checkout = Checkout(helm, folder)
    checkout.write(step.contents)
    rendered = Rendered.of(checkout)
    return {
        name: rendered.facts(
            TENANTS_LAYOUT.member_path(HubName(HUB), ClusterName(name)), earlier.get(name)
        )
        for name in step.facts
    }


def _untold(step: Step, cluster: str, before: ClusterFacts, after: ClusterFacts) -> list[str]:
    """The Applications that change without a word, or of which it is only said."""
    if before.refused:
        return []  # the plan says that it does not know what is there
    told, found = step.changed.get(cluster, frozenset()), changes(before, after)
    return [
        *(f"then Application {name} by the {by}: changes untold" for name, by in found - told),
        *(f"then Application {name} by the {by}: does not change" for name, by in told - found),
    ]


def report(commit: Commit, missed: Mapping[str, list[str]]) -> str:
    """A message for people: seed, situation and difference, of the first cluster that differs."""
    if not missed:
        return ""
    cluster, lines = next(iter(missed.items()))
    (situation,) = [one for one in commit.situations if one.cluster == cluster]
    clusters = ", ".join(missed)
    return "\n".join([f"wrong for {clusters}", *lines, "", describe(commit, situation)])
