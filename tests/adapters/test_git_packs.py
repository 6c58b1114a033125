"""What is built in memory and kept: the same objects as git's own, in files that git takes for sound."""

from __future__ import annotations

import errno
import random
from datetime import UTC, datetime
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import FileMode

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.adapters.git.alike import alike
from onboarding.adapters.git.folders import Entry, Folder
from onboarding.adapters.git.packs import Packed, difference, write_pack
from onboarding.adapters.git.store import Store
from onboarding.domain.errors import Transient
from onboarding.ports import CommitRequest, TreeEdit
from tests import repositories
from tests.fakes import blob_id

MEMBERS = {f"fleet/members/hub/spoke-{number:03}.yaml": f"n: {number}\n" for number in range(120)}
NAMES = ("a", "a.yaml", "a-b", "a0", "ab", "z", "ä.yaml", "A")


def request(*edits: TreeEdit) -> CommitRequest:
    return CommitRequest(
        edits=edits,
        message="Subject\n\nChange-Id: 1\n",
        author_name="Rita",
        author_email="rita@example.com",
        when=datetime(2026, 3, 2, 9, tzinfo=UTC),
    )


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    bare = repositories.bare_repository(tmp_path / "remote.git", MEMBERS)
    remote = GitRemote(url=str(bare), branch="main", allow_local=True)
    return GitRepository(folder=tmp_path / "mirror", remote=remote)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror" / "repository.git"


def packs(mirror: Path) -> set[Path]:
    return set((mirror / "objects" / "pack").glob("*.pack"))


def test_it_keeps_a_long_batch_in_one_sound_pack(repository: GitRepository, mirror: Path) -> None:
    base = tip = repository.fetch()
    before = packs(mirror)
    for number in range(70):
        path = f"fleet/members/hub/new-{number}.yaml"
        tip = repository.build(tip, request(TreeEdit(path, "", f"new: {number}\n".encode())))
    assert packs(mirror) == before, "nothing is on the disk before all of it is"
    repository.keep()

    (pack,) = packs(mirror) - before
    repositories.git(mirror, "fsck", "--full", "--strict", "--no-dangling", tip)
    shown = repositories.git(mirror, "verify-pack", "-v", str(pack.with_suffix(".idx")))
    chains = [line for line in shown.splitlines() if line.startswith("chain length")]
    assert chains, "folders are kept as what differs"
    assert max(int(line.split()[3].rstrip(":")) for line in chains) <= 50
    assert repositories.git(mirror, "rev-list", "--count", f"{base}..{tip}") == "70"
    assert len(repositories.git(mirror, "ls-tree", "-r", tip).splitlines()) == 190
    assert repository.push(base, tip, timeout=20) == "The remote accepted the push."
    assert repository.fetch() == tip


def test_it_lays_many_small_packs_together(repository: GitRepository, mirror: Path) -> None:
    tip = repository.fetch()
    for number in range(60):
        tip = repository.build(tip, request(TreeEdit(f"n/{number}.yaml", "", b"n: 1\n")))
        repository.keep()
    unsent = repository.build(tip, request(TreeEdit("other.yaml", "", b"o: 1\n")))
    repository.keep()
    assert len(packs(mirror)) > 60

    repository.fetch()
    assert len(packs(mirror)) < 10
    assert repository.is_ancestor(tip, unsent), "also what no branch leads to yet"
    repositories.git(mirror, "fsck", "--full", "--strict", "--no-dangling", unsent)


def test_it_keeps_what_somebody_asks_for(repository: GitRepository) -> None:
    base = repository.fetch()
    tip = repository.build(base, request(TreeEdit("new.yaml", "", b"new: 1\n")))
    assert repository.is_ancestor(base, tip)
    assert repository.changes(tip) == {"new.yaml": ("", blob_id(b"new: 1\n"))}


def test_it_reads_on_after_there_was_no_room(
    repository: GitRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_: Store) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    base = repository.fetch()
    edit = request(TreeEdit("new.yaml", "", b"new: 1\n"))
    built = repository.build(base, edit)
    with monkeypatch.context() as full:
        full.setattr(Store, "keep", no_room)
        with pytest.raises(Transient, match=r"cannot be written \(No space left on device\)"):
            repository.keep()
        assert len(repository.snapshot(base).paths()) == len(MEMBERS), "what was built is forgotten"
    assert repository.build(base, edit) == built
    assert repository.is_ancestor(base, built)


@pytest.mark.parametrize("seed", range(6))
def test_it_builds_the_very_folders_that_git_builds(
    repository: GitRepository, mirror: Path, seed: int
) -> None:
    chance = random.Random(seed)
    tip = repository.fetch()
    store = pygit2.Repository(str(mirror))
    files: dict[str, bytes] = {path: text.encode() for path, text in MEMBERS.items()}
    for number in range(40):
        edits: dict[str, TreeEdit] = {}
        for _ in range(chance.choice((1, 1, 2, 5))):
            path = "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 3)))
            path = chance.choice(sorted(files)) if chance.random() < 0.4 else path
            taken = any(
                one != path and (one.startswith(f"{path}/") or path.startswith(f"{one}/"))
                for one in [*files, *edits]
            )
            if taken or path in edits:
                continue
            old = files.get(path)
            new = None if old is not None and chance.random() < 0.5 else f"{number}\n".encode()
            edits[path] = TreeEdit(path, blob_id(old) if old is not None else "", new)
        if not edits:
            continue
        tip = repository.build(tip, request(*edits.values()))
        for path, edit in edits.items():
            files.pop(path, None)
            files |= {path: edit.content} if edit.content is not None else {}
    repository.keep()
    index = pygit2.Index()
    for path, content in files.items():
        index.add(pygit2.IndexEntry(path, store.create_blob(content), FileMode.BLOB))
    assert str(index.write_tree(store)) == repositories.git(mirror, "rev-parse", f"{tip}^{{tree}}")
    repositories.git(mirror, "fsck", "--full", "--strict", "--no-dangling", tip)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"", b""),
        (b"abc", b"abc"),
        (b"x" * 200_000, b"x" * 100_000 + b"new" + b"x" * 100_000),
        (bytes(range(256)) * 600, bytes(range(256)) * 300 + b"\0" * 300 + bytes(range(256)) * 300),
        (b"begin" * 50 + b"end" * 50, b"begin" * 50),
        (b"end" * 50, b"begin" * 9 + b"end" * 50),
    ],
)
def test_it_writes_what_differs_so_that_git_finds_the_same(
    tmp_path: Path, one: bytes, other: bytes
) -> None:
    mirror = repositories.bare_repository(tmp_path / "mirror.git", {"x": ""})
    assert one == other or difference(one, other) is not None
    first, second = (bytes.fromhex(blob_id(raw)) for raw in (one, other))
    rows = [Packed(first, "blob", one), Packed(second, "blob", other, like=first)]
    write_pack(mirror / "objects" / "pack", rows[: 1 if one == other else 2])
    for raw in (one, other):
        found = pygit2.Repository(str(mirror))[blob_id(raw)]
        assert found.read_raw() == raw
    repositories.git(mirror, "fsck", "--full", "--strict")


def test_it_writes_no_difference_that_saves_nothing() -> None:
    assert difference(b"a" * 100, b"b" * 100) is None


def test_it_finds_what_two_sequences_share() -> None:
    assert alike("abcxdef", "abcydef") == (3, 3)
    assert alike("aaa", "aaaa") == (3, 0)
    assert alike("", "abc") == (0, 0)


def test_it_takes_only_a_tree_for_a_folder() -> None:
    with pytest.raises(ValueError, match="bytes of a tree"):
        Folder.read(b"100644 name\0too short")


def test_it_sorts_a_folder_as_if_it_ended_with_a_slash() -> None:
    folder = Folder()
    for kind, name in (
        (b"100644", b"a0"),
        (b"40000", b"a"),
        (b"100644", b"a.b"),
        (b"100644", b"a-"),
    ):
        folder.put(Entry(kind, name, b"\1" * 20))
    assert [Entry.read(raw).name for raw in folder.entries] == [b"a-", b"a.b", b"a", b"a0"]
    folder.put(Entry(b"100644", b"a", b"\2" * 20))
    assert [Entry.read(raw).name for raw in folder.entries] == [b"a", b"a-", b"a.b", b"a0"]
