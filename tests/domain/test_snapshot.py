from __future__ import annotations

from onboarding.domain.snapshot import RecordingSnapshot, RememberingSnapshot, SnapshotFile
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


class Counting(TextSnapshot):
    """A snapshot that counts its reads."""

    reads = 0

    def read(self, path: str) -> SnapshotFile | None:
        self.reads += 1
        return super().read(path)


def test_it_reads_each_file_once_present_or_absent() -> None:
    inner = Counting({"a/1": "x"})
    snapshot = RememberingSnapshot(inner)
    for _ in range(3):
        assert snapshot.read("a/1") == file("a/1", "x")
        assert snapshot.read("none") is None
    assert inner.reads == 2
    assert snapshot.commit == inner.commit
    assert list(snapshot.paths("a")) == ["a/1"]
