"""What the product predicts is what Helm makes of the same commit; and the tools that compare."""

from __future__ import annotations

import random

import pytest

from onboarding.domain.impact import Forecaster
from onboarding.domain.yaml.yamlread import load
from tests.agreement.facts import Application, ClusterFacts, differences
from tests.agreement.offline import misses, report
from tests.agreement.shrinking import shrink
from tests.agreement.situations import Commit, Tree, commits, text
from tests.template.helm import Helm

SEED = 20


@pytest.fixture(scope="module")
def commit() -> Commit:
    """The first commit of the seed."""
    return next(commits(SEED, 20, outside=True))


def test_it_predicts_what_the_charts_render(commit: Commit, helm: Helm) -> None:
    missed = misses(commit, helm)
    assert not missed, report(commit, missed)


def test_it_notices_a_prediction_that_is_wrong(
    commit: Commit, helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A product that forgets the clusters' own flags is found out, and what is shown is small."""
    few = Commit(commit.seed, commit.files, commit.situations[:2])
    true = Forecaster.applications
    monkeypatch.setattr(Forecaster, "applications", lambda self, view: true(self, view)[1:])
    missed = misses(few, helm)
    cluster = next(iter(missed))
    assert any(
        line.endswith("not predicted") or "not predicted" in line for line in missed[cluster]
    )

    small = shrink(few, cluster, lambda one: bool(misses(one, helm)), attempts=2)

    assert [one.cluster for one in small.situations] == [cluster]
    assert len(small.files) < len(few.files)
    assert f"seed {SEED}, cluster {cluster}" in report(small, misses(small, helm))


# The generator


def test_it_draws_the_same_from_the_same_seed_and_other_from_another() -> None:
    assert list(commits(1, 50, outside=False)) == list(commits(1, 50, outside=False))
    assert next(commits(1, 20, outside=False)) != next(commits(2, 20, outside=False))


@pytest.mark.parametrize(
    ("asked", "sizes"), [(60, [20, 20, 20]), (50, [20, 30]), (200, [20] * 10), (3, [3])]
)
def test_it_puts_at_least_20_clusters_into_a_commit(asked: int, sizes: list[int]) -> None:
    found = list(commits(SEED, asked, outside=False))
    assert [len(one.situations) for one in found] == sizes
    names = [each.cluster for one in found for each in one.situations]
    assert len(set(names)) == asked


def test_it_draws_every_kind_of_situation() -> None:
    drawn = [each for one in commits(SEED, 200, outside=False) for each in one.situations]
    intents = [one.intent for one in drawn]
    assert {one.model.value for one in intents} == {"centralized", "distributed"}
    assert {(one.remote_addons, one.remote_resources) for one in intents} == {
        (False, False), (False, True), (True, False), (True, True),
    }  # fmt: skip
    assert {key for one in intents for key in one.options} >= {
        "addons_repo_basepath", "resources_repo_basepath", "githubSecret", "use_external_secrets",
    }  # fmt: skip
    assert {str(one.placement.tenant) for one in intents} == {"tenant1", "tenant2", "tenant3"}


def test_it_writes_files_that_can_be_read() -> None:
    for one in commits(SEED, 40, outside=True):
        for path, tree in one.files.items():
            found = load(text(tree), path=path)
            assert isinstance(found, dict) or tree == {}, path


# Shrinking and comparing


def test_it_shrinks_to_the_least_that_fails(commit: Commit) -> None:
    path = random.Random(1).choice(list(commit.files))
    guilty: Tree = {"nested": {"number": "012", "text": "x"}, "other": "y"}
    grown = Commit(commit.seed, {**commit.files, path: guilty}, commit.situations)
    cluster = commit.situations[7].cluster

    def fails(one: Commit) -> bool:
        nested = one.files.get(path, {}).get("nested")
        return isinstance(nested, dict) and "number" in nested

    small = shrink(grown, cluster, fails)
    assert small.files == {path: {"nested": {"number": "012"}}}
    assert [(one.cluster, one.files) for one in small.situations] == [(cluster, {})]
    assert (small.situations[0].intent.pins, small.situations[0].intent.options) == ({}, {})
    assert shrink(grown, cluster, lambda one: len(one.situations) > 1) == grown


APPLICATION = Application(
    "a-b", "a", "addons", "1.0.0", "b", "a", "tenant1", "charts/a", "", "hub", {"on": True}
)


@pytest.mark.parametrize(
    ("predicted", "found", "said"),
    [
        (ClusterFacts(), ClusterFacts(), ""),
        (ClusterFacts(refused="x"), ClusterFacts(refused="other words"), ""),
        (ClusterFacts(refused="x"), ClusterFacts({"a": "b"}), "refused: predicted 'x', found ''"),
        (ClusterFacts({"a": "1"}), ClusterFacts({"a": "2"}), "label a: predicted '1', found '2'"),
        (ClusterFacts({"a": "1"}), ClusterFacts(), "label a: predicted '1', not found"),
        (
            ClusterFacts(applications={("a-b", "hub"): APPLICATION}),
            ClusterFacts(applications={("a-b", "hub"): APPLICATION}),
            "",
        ),
    ],
)
def test_it_says_in_what_two_differ(
    predicted: ClusterFacts, found: ClusterFacts, said: str
) -> None:
    assert differences(predicted, found) == ([said] if said else [])


def test_it_tells_true_from_one() -> None:
    one = ClusterFacts(applications={("a-b", "hub"): APPLICATION})
    other = ClusterFacts(
        applications={
            ("a-b", "hub"): Application(**{**vars(APPLICATION), "values": {"on": 1}}),
        }
    )
    assert differences(one, other) == [
        "Application a-b by the hub: values: on: predicted True, found 1"
    ]
