"""Only what is needed of a hub's objects is decoded, and no object is so rotten that none are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onboarding.adapters.kubernetes_objects import DEEPEST, read_event, read_page, shallow
from onboarding.domain.applications import application_facts
from onboarding.ports import HubKind

APPLICATION: dict[str, Any] = {
    "metadata": {
        "name": "dns-spoke-1",
        "uid": "1",
        "resourceVersion": "7",
        "creationTimestamp": "2026-03-02T09:00:00Z",
        "labels": {"fleet/component": "dns"},
        "finalizers": ["resources-finalizer.argocd.argoproj.io"],
        "ownerReferences": [{"kind": "ApplicationSet", "name": "dns"}],
    },
    "spec": {
        "destination": {"name": "spoke-1", "namespace": "dns"},
        "sources": [
            {"chart": "dns", "targetRevision": "1.2.3", "helm": {"valueFiles": ["$values/a.yaml"]}},
            {"path": "addons/dns"},
        ],
    },
    "status": {
        "sync": {"status": "Synced", "revisions": ["1.2.3", "c" * 40]},
        "health": {"status": "Degraded", "message": "one of two pods"},
        "operationState": {
            "phase": "Succeeded",
            "finishedAt": "2026-03-02T09:00:00Z",
            "syncResult": {"revisions": ["1.2.3"]},
            "operation": {"sync": {"revision": "1.2.3"}},
        },
        "reconciledAt": "2026-03-02T09:00:01Z",
        "conditions": [{"type": "SyncError", "message": "no"}],
    },
}
SECRET: dict[str, Any] = {
    "metadata": {"name": "cluster-spoke-1", "labels": {"a": "b"}},
    "spec": {
        "data": [{"remoteRef": {"key": "fleet/spoke-1"}}],
        "dataFrom": [{"extract": {"key": "fleet/more"}}],
        "target": {"name": "cluster-spoke-1"},
        "secretStoreRef": {"name": "store-a"},
    },
    "status": {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "SecretSyncedError",
                "message": "denied",
                "lastTransitionTime": "2026-03-02T08:00:00Z",
            }
        ]
    },
}


def with_more(value: Any) -> Any:
    """The same with fields in every map that nobody needs."""
    if isinstance(value, dict):
        return {**{key: with_more(each) for key, each in value.items()}, "extra": {"x": [1, None]}}
    return [with_more(each) for each in value] if isinstance(value, list) else value


def listed(kind: HubKind, *items: Any) -> Any:
    content = json.dumps({"metadata": {"resourceVersion": "9", "continue": "t"}, "items": items})
    return read_page(kind, content.encode())


@pytest.mark.parametrize(
    ("kind", "item"),
    [(HubKind.APPLICATIONS, APPLICATION), (HubKind.EXTERNAL_SECRETS, SECRET)],
)
def test_it_reads_what_is_needed_and_nothing_else(kind: HubKind, item: dict[str, Any]) -> None:
    more = with_more(item)
    # labels are kept whole, so the additional one must be a text there
    more["metadata"]["labels"]["extra"] = "kept"
    page = listed(kind, more)
    item["metadata"]["labels"].pop("extra", None)
    labels = {**item["metadata"]["labels"], "extra": "kept"}
    assert page.items == ({**item, "metadata": {**item["metadata"], "labels": labels}},)
    assert (page.continue_token, page.resource_version) == ("t", "9")


@pytest.mark.parametrize("key", ["source", "sources"])
def test_it_reads_what_was_compared_once_where_it_is_what_is_asked_for(key: str) -> None:
    asked: Any = {"path": "addons/dns", "repoURL": "https://git.example.com/fleet.git"}
    asked = [asked] if key == "sources" else asked
    other = json.loads(json.dumps(asked).replace("dns", "metrics"))
    for has in (asked, other):
        item = {
            "metadata": {"name": "dns"},
            "spec": {key: asked, "destination": {"name": "spoke-1"}},
            "status": {"sync": {"comparedTo": {key: has, "destination": {"name": "spoke-1"}}}},
        }
        for found in (
            listed(HubKind.APPLICATIONS, item).items[0],
            read_event(
                HubKind.APPLICATIONS, json.dumps({"type": "ADDED", "object": item}).encode()
            )[1],
        ):
            same = found["spec"][key] is found["status"]["sync"]["comparedTo"][key]
            assert same == (has is asked)
            assert application_facts(found).moved == ("" if has is asked else "source")
            assert ("repoURL" in str(found["spec"])) == (has is other)


@pytest.mark.parametrize("key", ["source", "sources"])
def test_it_reads_what_a_sync_applied_that_failed(key: str) -> None:
    asked: Any = {"path": "addons/dns", "repoURL": "https://git.example.com/fleet.git"}
    asked = [asked] if key == "sources" else asked
    other = json.loads(json.dumps(asked).replace("dns", "metrics"))
    for phase, retries, has, outdated in (
        ("Running", 3, other, True),
        ("Running", 3, asked, False),
        ("Failed", 0, other, True),
        ("Error", 3, asked, False),
        ("Running", 0, other, None),
        ("Succeeded", 3, other, None),
    ):
        state = {"phase": phase, "retryCount": retries, "operation": {"sync": {key: has}}}
        item = {
            "metadata": {"name": "dns"},
            "spec": {key: asked},
            "status": {"sync": {"comparedTo": {key: asked}}, "operationState": state},
        }
        (found,) = listed(HubKind.APPLICATIONS, item).items
        facts = application_facts(found)
        assert facts.operation_retries == retries
        assert facts.operation_outdated is bool(outdated)
        assert facts.moved == ""
        # What no verdict needs is not read at all.
        applied = found["status"]["operationState"]["operation"]["sync"]
        assert (key in applied) is (outdated is not None)


def test_it_reads_one_annotation_of_an_application_and_no_other() -> None:
    annotations = {"argocd.argoproj.io/skip-reconcile": "true", "other": "kubectl put it here"}
    item = {"metadata": {"name": "dns", "annotations": annotations}}
    (found,) = listed(HubKind.APPLICATIONS, item).items
    assert found["metadata"]["annotations"] == {"argocd.argoproj.io/skip-reconcile": "true"}


@pytest.mark.parametrize("kind", [HubKind.APPLICATION_SETS, HubKind.SECRET_STORES])
def test_it_reads_whole_what_pages_need_whole(kind: HubKind) -> None:
    assert listed(kind, with_more(APPLICATION)).items == (with_more(APPLICATION),)


@pytest.mark.parametrize(
    "rotten",
    [
        {"metadata": {"name": "a", "labels": None}},
        {"metadata": {"name": 7}},
        {"metadata": {"name": "a"}, "status": []},
        {"metadata": {"name": "a"}, "spec": {"sources": "none"}},
        {"metadata": {"name": "a"}, "spec": {"source": {"path": 7}}},
        {"metadata": {"name": "a\ud800"}},
    ],
)
def test_it_reads_an_object_whole_that_is_not_as_promised(rotten: dict[str, Any]) -> None:
    page = listed(HubKind.APPLICATIONS, rotten, APPLICATION)
    assert page.items == (rotten, APPLICATION)


def test_it_takes_what_is_no_object_for_an_empty_one() -> None:
    assert listed(HubKind.APPLICATIONS, None, 5, "x").items == ({}, {}, {})


@pytest.mark.parametrize("content", [b'{"items": null}', b"[]", b"7", b'{"metadata": {}}'])
def test_it_says_that_there_are_no_items(content: bytes) -> None:
    assert read_page(HubKind.APPLICATIONS, content).items is None


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"items": [', b'{"items": [{"a": \x01}]}'])
def test_it_refuses_what_is_not_json(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- whatever the decoder says
        read_page(HubKind.APPLICATIONS, content)


def nested(levels: int) -> bytes:
    values = b"[" * levels + b"]" * levels
    return b'{"metadata": {"name": "deep", "uid": "2"}, "spec": {"values": %b}}' % values


def test_it_reads_an_object_that_is_nested_deeper_than_python_can() -> None:
    rest = json.dumps(APPLICATION).encode()
    page = read_page(HubKind.APPLICATIONS, b'{"items": [%b, %b]}' % (nested(9000), rest))
    assert page.items is not None
    assert page.items[0]["metadata"] == {"name": "deep", "uid": "2"}
    assert page.items[1] == APPLICATION


def test_it_reads_an_event_of_an_object_that_is_nested_too_deeply() -> None:
    line = b'{"type": "ADDED", "object": %b}' % nested(9000)
    said, found = read_event(HubKind.APPLICATIONS, line)
    assert (said, found["metadata"]["name"]) == ("ADDED", "deep")


def test_it_reads_an_error_whole() -> None:
    line = b'{"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}'
    assert read_event(HubKind.APPLICATIONS, line) == ("ERROR", {"code": 410, "reason": "Expired"})


def test_it_cuts_only_what_is_deep() -> None:
    text = json.dumps({"a": 'a "]" in \\ a text [[[', "b": [{"c": []}] * 3}).encode()
    assert shallow(text) == text
    deep = b'{"a": ' + b"[" * DEEPEST + b"1" + b"]" * DEEPEST + b', "b": 2}'
    cut = json.loads(shallow(deep))
    assert cut["b"] == 2
    for _ in range(DEEPEST - 1):
        cut = cut["a"] if isinstance(cut, dict) else cut[0]
    assert cut == [None]
