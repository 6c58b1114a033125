from __future__ import annotations

from onboarding.domain.snapshot import RecordingSnapshot
from tests.domain.repository import TextSnapshot, file


def test_it_remembers_what_was_read_and_what_was_absent() -> None:
    inner = TextSnapshot({"b/two.yaml": "b: 2\n", "a/one.yaml": "a: 1\n", "c.yaml": "c: 3\n"})
    snapshot = RecordingSnapshot(inner)
    assert snapshot.commit == inner.commit
    assert snapshot.read("b/two.yaml") == file("b/two.yaml", "b: 2\n")
    assert snapshot.read("a/none.yaml") is None
    assert snapshot.read("b/two.yaml") is not None
    assert list(snapshot.files_read.items()) == [
        ("a/none.yaml", ""),
        ("b/two.yaml", file("b/two.yaml", "b: 2\n").blob),
    ]
    assert snapshot.folders_listed == {}


def test_it_remembers_what_a_folder_listed() -> None:
    snapshot = RecordingSnapshot(TextSnapshot({"a/1": "", "a/b/2": "", "ab/3": ""}))
    assert snapshot.paths("a") == ("a/1", "a/b/2")
    assert list(snapshot.paths("none")) == []
    assert snapshot.folders_listed == {"a": ("a/1", "a/b/2"), "none": ()}
    assert snapshot.files_read == {}
