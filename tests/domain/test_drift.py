"""Drift: what differs between Git, the cluster secret and the Applications, and who could have made it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from onboarding.domain.drift import (
    Aspect,
    Carried,
    Cause,
    Difference,
    Intended,
    OnHub,
    differences,
    labels_differ,
)

LABELS = {"addonsRelease": "default", "enable_x": "true", "tenant": "team-a"}
APP = Carried(
    version="1.2.0",
    channel="default",
    group="addons",
    files=("a.yaml", "b.yaml"),
    destination="spoke-a",
    maker="addons-x",
)
GIT = Intended(LABELS, {"x-spoke-a": APP})
HUB = OnHub(
    labels=LABELS
    | {"argocd.argoproj.io/auto": "1", "reconcile.external-secrets.io/managed": "true"},
    applications={"x-spoke-a": APP},
    names=frozenset({"spoke-a", "https://spoke-a.example"}),
)


def only(found: tuple[Difference, ...]) -> Difference:
    assert len(found) == 1, found
    return found[0]


def test_it_finds_nothing_where_all_three_agree() -> None:
    assert differences(GIT, HUB) == ()


def test_it_compares_nothing_with_a_cluster_that_is_not_registered() -> None:
    assert differences(GIT, replace(HUB, labels=None, applications={})) == ()


@pytest.mark.parametrize(
    ("live", "keys"),
    [
        (LABELS, ()),
        (LABELS | {"enable_x": "false"}, ("enable_x",)),
        (LABELS | {"mine": "1"}, ("mine",)),
        (LABELS | {"app.kubernetes.io/part-of": "x"}, ()),
        ({"tenant": "team-a", "enable_x": "true"}, ("addonsRelease",)),
    ],
)
def test_it_counts_keys_that_differ_but_not_what_the_machinery_adds(
    live: dict[str, str], keys: tuple[str, ...]
) -> None:
    assert labels_differ(LABELS, live) == keys


def changed(**labels: str) -> OnHub:
    return replace(HUB, labels={**LABELS, **labels})


def test_it_says_that_a_label_was_changed_by_hand() -> None:
    found = only(differences(GIT, changed(enable_x="false")))
    assert (found.aspect, found.subject) == (Aspect.LABEL, "enable_x")
    assert (found.git, found.hub, found.cause) == ("true", "false", Cause.BY_HAND)
    assert "changed on the hub" in found.who
    assert found.adoptable


def test_it_says_that_a_label_was_added_by_hand() -> None:
    found = only(differences(GIT, changed(mine="1")))
    assert (found.git, found.hub, found.cause) == (None, "1", Cause.BY_HAND)
    assert "Nothing in Git sets it" in found.who
    assert found.adoptable


def test_it_cannot_adopt_that_a_label_is_gone() -> None:
    live = {key: value for key, value in LABELS.items() if key != "enable_x"}
    found = only(differences(GIT, replace(HUB, labels=live)))
    assert (found.hub, found.cause, found.adoptable) == (None, Cause.BY_HAND, False)
    assert "removed on the hub" in found.who
    assert "Edit that layer" in found.refusal


def test_it_cannot_adopt_what_the_member_file_decides() -> None:
    found = only(differences(GIT, changed(tenant="team-b")))
    assert not found.adoptable
    assert "member file" in found.refusal


def test_it_takes_a_commit_that_the_hub_has_not_read_for_the_cause() -> None:
    seen = replace(changed(enable_x="false"), read=LABELS | {"enable_x": "false"}, commit="c" * 40)
    found = only(differences(GIT, seen))
    assert found.cause is Cause.NOT_READ
    assert "Another values layer in a newer commit" in found.who
    assert "cccccccc" in found.who


def test_it_does_not_blame_a_commit_that_said_something_else_too() -> None:
    seen = replace(changed(enable_x="other"), read=LABELS | {"enable_x": "false"}, commit="c" * 40)
    assert only(differences(GIT, seen)).cause is Cause.BY_HAND


def test_it_takes_a_registration_that_is_not_applied_for_the_cause() -> None:
    seen = replace(changed(enable_x="false"), problem="chart refuses.")
    found = only(differences(GIT, seen))
    assert found.cause is Cause.NOT_APPLIED
    assert "chart refuses." in found.who


def test_it_takes_the_secret_for_the_cause_of_a_label_that_git_does_not_have() -> None:
    seen = replace(changed(mine="1"), from_secret=True)
    assert only(differences(GIT, seen)).cause is Cause.FROM_SECRET
    other = replace(changed(enable_x="false"), from_secret=True)
    assert only(differences(GIT, other)).cause is Cause.BY_HAND


def carried(**values: object) -> OnHub:
    return replace(HUB, applications={"x-spoke-a": replace(APP, **values)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "aspect", "git", "hub"),
    [
        ({"version": "1.1.0"}, Aspect.VERSION, "1.2.0", "1.1.0"),
        ({"channel": "release1"}, Aspect.CHANNEL, "default", "release1"),
        ({"files": ("a.yaml",)}, Aspect.VALUES, "b.yaml", "no further file"),
        (
            {"files": ("b.yaml", "a.yaml")},
            Aspect.VALUES,
            "a.yaml, b.yaml",
            "b.yaml, a.yaml",
        ),
        ({"destination": "spoke-b"}, Aspect.DESTINATION, "spoke-a", "spoke-b"),
    ],
)
def test_it_finds_what_an_application_carries_otherwise(
    values: dict[str, object], aspect: Aspect, git: str, hub: str
) -> None:
    found = only(differences(GIT, carried(**values)))
    assert (found.aspect, found.subject) == (aspect, "x-spoke-a")
    assert (found.git, found.hub) == (git, hub)
    assert found.cause is Cause.UNKNOWN
    assert not found.adoptable


@pytest.mark.parametrize(
    "values",
    [{"version": ""}, {"files": None}, {"destination": "https://spoke-a.example"}, {"channel": ""}],
)
def test_it_does_not_compare_what_is_not_said_in_the_same_words(values: dict[str, object]) -> None:
    assert differences(GIT, carried(**values)) == ()


def test_it_lets_an_application_follow_from_the_label_that_differs() -> None:
    seen = replace(
        carried(version="2.0.0", channel="release1"), labels=LABELS | {"addonsRelease": "release1"}
    )
    label, version, channel = differences(GIT, seen)
    assert label.aspect is Aspect.LABEL
    assert {version.cause, channel.cause} == {Cause.FOLLOWS}
    assert "addonsRelease" in version.who


def test_it_finds_an_application_that_is_missing_and_one_that_nobody_foresaw() -> None:
    missing = only(differences(GIT, replace(HUB, applications={})))
    assert (missing.git, missing.hub, missing.cause) == ("there", None, Cause.UNKNOWN)
    more = HUB.applications | {"y": replace(APP, maker="")}
    extra = only(differences(GIT, replace(HUB, applications=more)))
    assert (extra.git, extra.hub, extra.cause) == (None, "there", Cause.BY_HAND)
    made = HUB.applications | {"y": replace(APP, maker="other")}
    assert "ApplicationSet other" in only(differences(GIT, replace(HUB, applications=made))).who


def test_it_leaves_out_applications_that_another_repository_may_explain() -> None:
    more = replace(HUB, applications=HUB.applications | {"y": APP})
    assert differences(replace(GIT, complete=False), more) == ()


def test_it_compares_labels_alone_where_git_tells_of_no_application() -> None:
    seen = replace(carried(version="9"), labels=LABELS | {"mine": "1"})
    assert only(differences(Intended(LABELS), seen)).subject == "mine"
