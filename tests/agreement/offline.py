"""One commit held against Helm alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from onboarding.domain.planner import Plan
from tests.agreement import predicted
from tests.agreement.facts import differences
from tests.agreement.rendered import Checkout, Rendered
from tests.agreement.situations import Commit, describe
from tests.template.helm import Helm


def checkout(commit: Commit, helm: Helm, folder: Path) -> tuple[Checkout, list[Plan]]:
    """The repository with all plans of a commit written, as the product would write them."""
    before = predicted.before(commit)
    plans = [predicted.planned(one, before) for one in commit.situations]
    written = Checkout(helm, folder)
    edits = {edit.path: edit.after.encode() for plan in plans for edit in plan.edits}
    written.write({**before.contents, **edits})
    return written, plans


def misses(commit: Commit, helm: Helm) -> dict[str, list[str]]:
    """The clusters of a commit of which the product says other things than Helm, and which."""
    before = predicted.before(commit)
    with tempfile.TemporaryDirectory() as folder:
        written, plans = checkout(commit, helm, Path(folder) / "fleet")
        rendered = Rendered.of(written)
        said = {
            str(plan.intent.placement.cluster): differences(
                predicted.facts(plan, before), rendered.facts(predicted.member_path(plan))
            )
            for plan in plans
        }
    return {cluster: lines for cluster, lines in said.items() if lines}


def report(commit: Commit, missed: dict[str, list[str]]) -> str:
    """A message for people: seed, situation and difference, of the first cluster that differs."""
    if not missed:
        return ""
    cluster, lines = next(iter(missed.items()))
    (situation,) = [one for one in commit.situations if one.cluster == cluster]
    clusters = ", ".join(missed)
    return "\n".join([f"wrong for {clusters}", *lines, "", describe(commit, situation)])
