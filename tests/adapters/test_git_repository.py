"""The promises of the fleet repository's port, kept by a real git and by the fake alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import pytest

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.errors import FleetError, Refused
from onboarding.ports import CommitRequest, FleetRepository, TreeEdit
from tests import repositories
from tests.fakes import MemoryRemote, MemoryRepository, blob_id

WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MEMBER = "fleet/members/hub/spoke-a.yaml"
FILES: dict[str, str | bytes | None] = {
    MEMBER: "tenant: team-a\n",
    "addons/defaults/values.yaml": "# keep\n",
    "addons/tenants/team-a/values.yaml": "a: 1\n",
}


class World(Protocol):
    """A remote with people at it, and repositories of ours on it."""

    def repository(self) -> FleetRepository: ...
    def commit(self, files: Mapping[str, str | bytes | None], message: str = "By hand") -> str: ...
    def tip(self) -> str: ...
    def files(self) -> Mapping[str, bytes]: ...
    def refuse(self, words: str) -> None: ...
    def rewind(self, commit: str) -> None: ...
    def go_away(self) -> None: ...


class GitWorld:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bare = repositories.bare_repository(folder / "remote.git")
        self.count = 0

    def repository(self) -> GitRepository:
        self.count += 1
        return GitRepository(
            folder=self.folder / f"mirror-{self.count}",
            remote=GitRemote(url=str(self.bare), branch="main", allow_local=True),
        )

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "By hand") -> str:
        return repositories.commit(self.bare, files, message=message)

    def tip(self) -> str:
        return repositories.tip(self.bare)

    def files(self) -> Mapping[str, bytes]:
        return repositories.tree(self.bare)

    def refuse(self, words: str) -> None:
        repositories.install_hook(self.bare, "pre-receive", f"echo '{words}' >&2; exit 1")

    def rewind(self, commit: str) -> None:
        repositories.rewind(self.bare, commit)

    def go_away(self) -> None:
        self.bare.rename(self.bare.with_suffix(".away"))


class MemoryWorld:
    def __init__(self) -> None:
        self.remote = MemoryRemote()

    def repository(self) -> MemoryRepository:
        return MemoryRepository(self.remote)

    def commit(self, files: Mapping[str, str | bytes | None], message: str = "By hand") -> str:
        return self.remote.commit(files, message=message)

    def tip(self) -> str:
        return self.remote.tip

    def files(self) -> Mapping[str, bytes]:
        return self.remote.commits[self.remote.tip].files

    def refuse(self, words: str) -> None:
        self.remote.refusing = words

    def rewind(self, commit: str) -> None:
        self.remote.tip = commit

    def go_away(self) -> None:
        self.remote.away = True


@pytest.fixture(params=["git", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return GitWorld(tmp_path) if request.param == "git" else MemoryWorld()


def request(
    *edits: TreeEdit, message: str = "Register spoke-b\n\nChange-Id: 17\n"
) -> CommitRequest:
    return CommitRequest(edits, message, "Rita Requester", "rita@example.com", WHEN)


def adding(path: str, text: str) -> TreeEdit:
    return TreeEdit(path, "", text.encode())


# Reading


def test_it_fetches_the_tip(world: World) -> None:
    first = world.commit(FILES)
    repository = world.repository()
    assert repository.fetch() == first
    second = world.commit({"new.yaml": "b: 2\n"})
    assert repository.snapshot().commit == first, "only a fetch moves what is read"
    assert repository.fetch() == second
    assert repository.snapshot().commit == second


def test_it_reads_files_with_their_blob_ids(world: World) -> None:
    world.commit(FILES)
    snapshot = world.repository().snapshot()
    found = snapshot.read(MEMBER)
    assert found is not None
    assert (found.path, found.content) == (MEMBER, b"tenant: team-a\n")
    assert found.blob == blob_id(b"tenant: team-a\n")


@pytest.mark.parametrize(
    "path",
    ["", "/", "fleet", "fleet/", "fleet/members/hub", "fleet/none.yaml", "/" + MEMBER,
     "../" + MEMBER, "fleet//members/hub/spoke-a.yaml", MEMBER + "/x", "fleet/\0"],
)  # fmt: skip
def test_it_reads_nothing_where_there_is_no_file(world: World, path: str) -> None:
    world.commit(FILES)
    assert world.repository().snapshot().read(path) is None


def test_it_lists_files_sorted_below_a_folder(world: World) -> None:
    world.commit(
        {**FILES, "addons-2/x.yaml": "x: 1\n", "addons/a-b.yaml": "", "addons/a/b.yaml": ""}
    )
    snapshot = world.repository().snapshot()
    below = [
        "addons/a-b.yaml",
        "addons/a/b.yaml",
        "addons/defaults/values.yaml",
        "addons/tenants/team-a/values.yaml",
    ]
    assert list(snapshot.paths("addons")) == below
    assert list(snapshot.paths()) == sorted(
        [*FILES, "addons-2/x.yaml", "addons/a-b.yaml", "addons/a/b.yaml"]
    )
    assert list(snapshot.paths("no/such/folder")) == []
    assert list(snapshot.paths(MEMBER)) == [], "a file is no folder"


def test_it_keeps_an_old_commit_readable(world: World) -> None:
    first = world.commit(FILES)
    world.commit({MEMBER: None})
    repository = world.repository()
    repository.fetch()
    assert repository.snapshot(first).read(MEMBER) is not None
    assert repository.snapshot().read(MEMBER) is None


@pytest.mark.parametrize("commit", ["main", "HEAD~1", "--all", "f" * 40, "f" * 10])
def test_it_refuses_what_is_not_a_known_commit(world: World, commit: str) -> None:
    world.commit(FILES)
    with pytest.raises(Refused) as refused:
        world.repository().snapshot(commit)
    assert refused.value.refusals[0].code == "unknown_commit"


def test_it_tells_history_of_files_newest_first(world: World) -> None:
    first = world.commit(FILES, "Add spoke-a")
    world.commit({"other.yaml": "o: 1\n"}, "Unrelated")
    third = world.commit(
        {MEMBER: "tenant: team-b\n", "second.yaml": ""}, "Move spoke-a\n\nChange-Id: 9"
    )
    repository = world.repository()
    found = repository.history([MEMBER], limit=10)
    assert [facts.sha for facts in found] == [third, first]
    assert found[0].subject == "Move spoke-a"
    assert found[0].trailers == {"Change-Id": "9"}
    assert found[0].paths == (MEMBER, "second.yaml")
    assert [facts.sha for facts in repository.history(["fleet"], limit=1)] == [third]
    assert repository.history(["no/such"], limit=10) == ()
    assert repository.history([], limit=10) == ()


def test_it_finds_commits_by_trailer_only(world: World) -> None:
    world.commit(FILES, "First\n\nChange-Id: 17")
    since = world.commit({"a": "1"}, "Second")
    world.commit({"b": "1"}, "Says Change-Id: 17 in its subject\n\nAnd in a body.\n\nChange-Id: 18")
    wanted = world.commit({"c": "1"}, "Third\n\nChange-Id: 17\nPlan-Digest: sha256:1")
    repository = world.repository()
    tip = repository.fetch()
    assert [facts.sha for facts in repository.find("Change-Id", "17", since=since, tip=tip)] == [
        wanted
    ]
    assert len(repository.find("Change-Id", "17", since="", tip=tip)) == 2
    assert len(repository.find("Change-Id", "17", since="e" * 40, tip=tip)) == 2, (
        "history was rewritten"
    )
    assert repository.find("Change-Id", "1", since="", tip=tip) == ()
    found = repository.find("Change-Id", "18", "17", "19", since=since, tip=tip)
    assert [facts.trailers["Change-Id"] for facts in found] == ["17", "18"], "of many at once"
    assert repository.find("Change-Id", "17", since="", tip="") == ()


def test_it_knows_ancestors(world: World) -> None:
    first = world.commit(FILES)
    second = world.commit({"a": "1"})
    repository = world.repository()
    repository.fetch()
    assert repository.is_ancestor(first, second)
    assert repository.is_ancestor(second, second)
    assert repository.is_ancestor("", second)
    assert not repository.is_ancestor(second, first)
    assert not repository.is_ancestor("e" * 40, second), "what is gone is in no history"


def test_it_tells_what_a_commit_changed(world: World) -> None:
    first = world.commit(FILES)
    second = world.commit(
        {MEMBER: "tenant: team-b\n", "new.yaml": "n: 1\n", "addons/defaults/values.yaml": None}
    )
    repository = world.repository()
    repository.fetch()
    assert repository.changes(second) == {
        MEMBER: (blob_id(b"tenant: team-a\n"), blob_id(b"tenant: team-b\n")),
        "new.yaml": ("", blob_id(b"n: 1\n")),
        "addons/defaults/values.yaml": (blob_id(b"# keep\n"), ""),
    }
    assert set(repository.changes(first)) == set(FILES)


# Building


def test_it_tells_what_differs_between_two_commits(world: World) -> None:
    first = world.commit(FILES)
    world.commit({MEMBER: "tenant: team-b\n"})
    last = world.commit({MEMBER: "tenant: team-a\n", "new.yaml": "b: 1\n"})
    repository = world.repository()
    repository.fetch()
    assert repository.difference(first, last) == {"new.yaml": ("", blob_id(b"b: 1\n"))}
    assert repository.difference(last, first) == {"new.yaml": (blob_id(b"b: 1\n"), "")}
    assert repository.difference(first, first) == {}
    assert repository.difference("a" * 40, last) is None
    assert repository.difference(first, "") is None


def test_it_builds_without_touching_the_remote(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    built = repository.build(
        base,
        request(
            adding("fleet/members/hub/spoke-b.yaml", "tenant: team-b\n"),
            TreeEdit(MEMBER, blob_id(b"tenant: team-a\n"), b"tenant: team-c\n"),
            TreeEdit("addons/defaults/values.yaml", blob_id(b"# keep\n"), None),
        ),
    )
    assert world.tip() == base
    assert list(repository.snapshot(built).paths()) == [
        "addons/tenants/team-a/values.yaml", MEMBER, "fleet/members/hub/spoke-b.yaml",
    ]  # fmt: skip
    assert repository.is_ancestor(base, built)
    assert repository.changes(built)[MEMBER][1] == blob_id(b"tenant: team-c\n")


def test_it_builds_anew_what_another_copy_has_built_already(world: World) -> None:
    base = world.commit(FILES)
    edits = (adding("fleet/members/hub/spoke-b.yaml", "tenant: team-b\n"),)
    for repository in (world.repository(), world.repository()):
        repository.fetch()
        built = repository.build(base, request(*edits))
        assert repository.changes(built).keys() == {edits[0].path}
    moved = world.commit({"docs/notes.md": "by hand\n"})
    repository.fetch()
    again = repository.build(moved, request(*edits))
    repository.push(moved, again, timeout=20)
    assert world.tip() == again, "whole, as the remote takes it"
    assert world.files()["docs/notes.md"] == b"by hand\n"


def test_it_builds_on_a_commit_that_it_built(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    first = repository.build(base, request(adding("a.yaml", "a: 1\n")))
    second = repository.build(first, request(adding("b.yaml", "b: 1\n")))
    repository.push(base, second, timeout=20)
    assert world.tip() == second
    assert {"a.yaml", "b.yaml"} <= set(world.files())


@pytest.mark.parametrize(
    "edit",
    [
        TreeEdit(MEMBER, "", b"tenant: x\n"),
        TreeEdit(MEMBER, blob_id(b"something else"), b"tenant: x\n"),
        TreeEdit("fleet/none.yaml", blob_id(b"gone"), b"tenant: x\n"),
        TreeEdit("fleet/none.yaml", blob_id(b"gone"), None),
        TreeEdit(MEMBER, blob_id(b"tenant: team-a\n"), b"tenant: team-a\n"),
    ],
    ids=["appeared", "changed", "vanished", "vanished-removal", "changes-nothing"],
)
def test_it_refuses_to_build_on_what_moved(world: World, edit: TreeEdit) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    with pytest.raises(Refused) as refused:
        repository.build(base, request(edit, adding("other.yaml", "o: 1\n")))
    assert refused.value.refusals[0].code == "moved"
    assert world.tip() == base


def test_it_refuses_a_commit_without_edits(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    with pytest.raises(Refused):
        repository.build(base, request())


# Moving


def test_it_pushes_what_continues_the_tip(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    built = repository.build(base, request(adding("new.yaml", "n: 1\n")))
    assert repository.push(base, built, timeout=20) == "The remote accepted the push."
    assert world.tip() == built
    assert world.files()["new.yaml"] == b"n: 1\n"
    assert repository.fetch() == built


def test_it_never_overwrites_what_others_pushed(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    built = repository.build(base, request(adding("new.yaml", "n: 1\n")))
    theirs = world.commit({"theirs.yaml": "t: 1\n"})
    assert "refused" in repository.push(base, built, timeout=20)
    assert world.tip() == theirs
    assert "new.yaml" not in world.files()


def test_it_never_restores_what_was_rewound(world: World) -> None:
    older = world.commit(FILES)
    base = world.commit({"secret.yaml": "removed: soon\n"})
    repository = world.repository()
    repository.fetch()
    built = repository.build(base, request(adding("new.yaml", "n: 1\n")))
    world.rewind(older)
    assert "refused" in repository.push(base, built, timeout=20)
    assert world.tip() == older
    assert repository.fetch() == older
    assert not repository.is_ancestor(base, older)


def test_it_refuses_to_push_what_does_not_descend(world: World) -> None:
    first = world.commit(FILES)
    second = world.commit({"a": "1"})
    repository = world.repository()
    repository.fetch()
    beside = repository.build(first, request(adding("new.yaml", "n: 1\n")))
    for base, tip in [(second, beside), (second, second), (second, first)]:
        with pytest.raises(Refused) as refused:
            repository.push(base, tip, timeout=20)
        assert refused.value.refusals[0].code == "not_descending"
    assert world.tip() == second


def test_it_begins_an_empty_repository(world: World) -> None:
    repository = world.repository()
    assert repository.fetch() == ""
    snapshot = repository.snapshot()
    assert (snapshot.commit, list(snapshot.paths()), snapshot.read("a")) == ("", [], None)
    assert repository.history(["a"], limit=5) == ()
    built = repository.build("", request(adding("fleet/a.yaml", "a: 1\n")))
    assert repository.changes(built) == {"fleet/a.yaml": ("", blob_id(b"a: 1\n"))}
    repository.push("", built, timeout=20)
    assert repository.fetch() == built == world.tip()


def test_it_begins_an_empty_repository_only_once(world: World) -> None:
    repository = world.repository()
    repository.fetch()
    built = repository.build("", request(adding("fleet/a.yaml", "a: 1\n")))
    theirs = world.commit(FILES)
    assert "refused" in repository.push("", built, timeout=20)
    assert world.tip() == theirs


def test_it_passes_on_why_the_server_refused(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    built = repository.build(base, request(adding("new.yaml", "n: 1\n")))
    world.refuse("Only signed commits here")
    said = repository.push(base, built, timeout=20)
    assert said.startswith("The push was refused:")
    assert "Only signed commits here" in said
    assert world.tip() == base


def test_it_says_that_the_remote_is_gone(world: World) -> None:
    base = world.commit(FILES)
    repository = world.repository()
    repository.fetch()
    built = repository.build(base, request(adding("new.yaml", "n: 1\n")))
    world.go_away()
    with pytest.raises(FleetError):
        repository.fetch()
    with pytest.raises(FleetError):
        repository.check()
    assert repository.push(base, built, timeout=20).startswith("The push failed.")
    assert repository.snapshot().read(MEMBER) is not None, "what was fetched stays readable"


def test_it_checks_the_connection(world: World) -> None:
    repository = world.repository()
    assert "no commit yet" in repository.check()
    tip = world.commit(FILES)
    assert tip[:10] in repository.check()
