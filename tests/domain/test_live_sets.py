"""What the hub's ApplicationSets add to what Git foretells, and what goes with an Application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from onboarding.domain.live_sets import Foretold, Going, KnownSets, going, hear

FINALIZER = "resources-finalizer.argocd.argoproj.io"


def application_set(
    name: str, labels: Mapping[str, str], component: str = "", **spec: Any
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "labels": {"fleet/component": component} if component else {}},
        "spec": {"generators": [{"clusters": {"selector": {"matchLabels": dict(labels)}}}], **spec},
    }


@pytest.mark.parametrize(
    ("spec", "answer"),
    [
        ({}, Going.DELETES),
        ({"syncPolicy": {"preserveResourcesOnDeletion": True}}, Going.LEAVES),
        ({"syncPolicy": {"preserveResourcesOnDeletion": False}}, Going.DELETES),
        ({"syncPolicy": {"applicationsSync": "create-update"}}, Going.STAYS),
        ({"syncPolicy": {"applicationsSync": "create-only"}}, Going.STAYS),
        ({"syncPolicy": {"applicationsSync": "create-delete"}}, Going.DELETES),
        ({"template": {"metadata": {"finalizers": [FINALIZER]}}}, Going.DELETES),
        ({"template": {"metadata": {"finalizers": [f"{FINALIZER}/background"]}}}, Going.DELETES),
        ({"template": {"metadata": {"finalizers": ["example.com/other"]}}}, Going.LEAVES),
        (
            {
                "syncPolicy": {"preserveResourcesOnDeletion": True},
                "templatePatch": f"metadata:\n  finalizers: [{FINALIZER}]\n",
            },
            Going.DELETES,
        ),
        ({"templatePatch": "metadata:\n  finalizers: {{ .x }}\n"}, Going.UNKNOWN),
    ],
)
def test_it_tells_what_goes_with_an_application(spec: dict[str, Any], answer: Going) -> None:
    assert going({"spec": spec}) is answer


FORETOLD = Foretold(
    cluster="spoke-1",
    components={"known"},
    flags={"enable_known"},
    unread={},
    after={"known"},
)


def test_it_tells_of_sets_that_git_does_not_know() -> None:
    sets = [
        application_set("old", {"tier": "gold"}),
        application_set("new", {"tier": "silver"}),
        application_set("both", {"env": "dev"}),
        application_set("neither", {"tier": "bronze"}),
    ]
    sets.append(application_set("known", {}))
    heard = hear(
        KnownSets(sets), {"tier": "gold", "env": "dev"}, {"tier": "silver", "env": "dev"}, FORETOLD
    )
    assert [one.name for one in heard.before.values()] == ["old-spoke-1", "both-spoke-1"]
    assert [one.name for one in heard.after.values()] == ["new-spoke-1", "both-spoke-1"]
    assert all(one.from_hub and one.deletes_resources for one in heard.before.values())
    assert heard.warnings == []


def test_it_says_where_the_hub_disagrees_with_git() -> None:
    agrees = application_set("known", {"enable_known": "true"})
    differs = application_set("set-of-known", {"enable_known": "false"}, component="known")
    heard = hear(KnownSets([agrees]), {}, {"enable_known": "true"}, FORETOLD)
    assert heard.warnings == []
    heard = hear(KnownSets([differs]), {}, {"enable_known": "true"}, FORETOLD)
    assert [(one.code, "does not select" in one.message) for one in heard.warnings] == [
        ("hub_differs", True)
    ]
    assert heard.before == heard.after == {}


def test_it_counts_what_labels_cannot_decide_and_keeps_what_is_never_deleted() -> None:
    doubtful = application_set("doubtful", {"tier": "{{ .x }}"})
    keeping = application_set(
        "keeping", {"tier": "gold"}, syncPolicy={"applicationsSync": "create-only"}
    )
    heard = hear(KnownSets([doubtful, keeping]), {"tier": "gold"}, {}, FORETOLD)
    assert heard.doubtful == 1
    assert heard.before == heard.after == {}
    assert [one.code for one in heard.warnings] == ["hub_keeps", "hub_lacks_set"]
    assert hear(KnownSets([]), {}, {}, FORETOLD).warnings == []


def test_a_hub_that_was_seen_without_any_set_lacks_them_all() -> None:
    (warning,) = hear(KnownSets(asked=True), None, {}, FORETOLD).warnings
    assert warning.code == "hub_lacks_set"
    assert "The hub has no ApplicationSet for known" in warning.message
    rendered = KnownSets([application_set("other", {"no": "one"})], rendered_by="Helm 3.18.4")
    (warning,) = hear(rendered, None, {}, FORETOLD).warnings
    assert warning.message.startswith("The repository's charts render no ApplicationSet for known")


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ .name }}-extra", "spoke-1-extra"),
        ("{{name}}-old-style", "spoke-1-old-style"),
        ("{{- .nameNormalized -}}", "spoke-1"),
        ("{{ .metadata.labels.tier }}", "any-spoke-1"),
        ("", "any-spoke-1"),
    ],
)
def test_an_application_is_called_as_its_set_says_where_that_is_plain(
    template: str, name: str
) -> None:
    metadata = {"metadata": {"name": template}} if template else {}
    heard = hear(KnownSets([application_set("any", {}, template=metadata)]), None, {}, FORETOLD)
    assert [one.name for one in heard.after.values()] == [name]


def test_two_sets_that_make_one_name_are_both_told_of() -> None:
    same = {"metadata": {"name": "dns-{{ .name }}"}}
    sets = [application_set(name, {}, template=same) for name in ("one", "two")]
    heard = hear(KnownSets(sets), None, {}, FORETOLD)
    assert [one.name for one in heard.after.values()] == ["dns-spoke-1"] * 2
