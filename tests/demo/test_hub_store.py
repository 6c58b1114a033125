"""The demo hub's memory keeps the rules that clients of the Kubernetes API rely on."""

from __future__ import annotations

import pytest

from onboarding.demo.hub_store import ObjectStore, TooOld


def item(name: str, **spec: object) -> dict[str, object]:
    return {"metadata": {"name": name}, "spec": spec}


def test_it_gives_every_change_a_higher_version() -> None:
    store = ObjectStore(first_version=100)
    store.put("applications", item("a"))
    store.put("applications", item("a", replicas=2))
    store.delete("applications", "a")
    changes, covered = store.changes_after("applications", 100, wait=0)
    assert [(each.type, each.version) for each in changes] == [
        ("ADDED", 101),
        ("MODIFIED", 102),
        ("DELETED", 103),
    ]
    assert covered == 103
    assert store.get("applications", "a") is None


def test_it_says_nothing_of_an_object_that_is_the_same() -> None:
    store = ObjectStore(first_version=100)
    assert store.put("applications", item("a"))
    assert not store.put("applications", item("a"))
    store.delete("applications", "b")
    assert store.changes_after("applications", 101, wait=0) == ([], 101)


def test_it_tells_kinds_apart() -> None:
    store = ObjectStore(first_version=0)
    store.put("applications", item("a"))
    store.put("applicationsets", item("a"))
    changes, covered = store.changes_after("applicationsets", 0, wait=0)
    assert [each.kind for each in changes] == ["applicationsets"]
    assert covered == 2


def test_it_pages_at_one_version() -> None:
    store = ObjectStore(first_version=0)
    for name in ("c", "a", "b"):
        store.put("applications", item(name))
    first = store.page("applications", limit=2)
    store.put("applications", item("d"))
    second = store.page("applications", limit=2, after=first.last, version=first.version)
    names = [each["metadata"]["name"] for each in (*first.items, *second.items)]
    assert names == ["a", "b", "c", "d"]
    assert (first.version, second.version) == (3, 3)
    assert (first.remaining, second.last) == (1, "")


def test_it_refuses_a_version_that_left_the_log() -> None:
    store = ObjectStore(first_version=0, log_length=2)
    for name in ("a", "b", "c"):
        store.put("applications", item(name))
    assert len(store.changes_after("applications", 1, wait=0)[0]) == 2
    with pytest.raises(TooOld):
        store.changes_after("applications", 0, wait=0)
    with pytest.raises(TooOld):
        store.page("applications", limit=1, version=0)


def test_it_removes_what_is_not_retained() -> None:
    store = ObjectStore(first_version=0)
    for name in ("a", "b"):
        store.put("applicationsets", item(name))
    store.retain("applicationsets", ["b"])
    assert store.names("applicationsets") == {"b"}
