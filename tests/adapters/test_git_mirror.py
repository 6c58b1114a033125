"""What only a real git can do wrong: damage, links, hooks, slow servers, moved addresses."""

from __future__ import annotations

import shutil
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from onboarding.adapters.git import GitRemote, GitRepository, Identity
from onboarding.domain.errors import Refused, Transient
from onboarding.ports import CommitRequest, TreeEdit
from tests import repositories
from tests.fakes import blob_id

WHEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MEMBER = "fleet/members/hub/spoke-a.yaml"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return repositories.bare_repository(
        tmp_path / "remote.git", {MEMBER: "tenant: team-a\n", "b/c.yaml": "c: 1\n"}
    )


def on(bare: Path, name: str = "mirror", **more: object) -> GitRepository:
    remote = GitRemote(url=str(bare), branch=str(more.pop("branch", "main")), allow_local=True)
    return GitRepository(folder=bare.parent / name, remote=remote, **more)  # type: ignore[arg-type]


def request(*edits: TreeEdit, **more: str) -> CommitRequest:
    values = {
        "message": "Subject\n\nChange-Id: 1\n",
        "author_name": "Rita",
        "author_email": "rita@example.com",
    } | more
    return CommitRequest(edits, when=WHEN, **values)


def adding(path: str, text: str = "n: 1\n") -> TreeEdit:
    return TreeEdit(path, "", text.encode())


# Damage


@pytest.mark.parametrize(
    "damage", ["removed", "emptied", "truncated-pack", "lost-objects", "no-head", "bad-config"]
)
def test_it_makes_a_damaged_mirror_anew(bare: Path, damage: str) -> None:
    repository = on(bare)
    tip = repository.fetch()
    mirror = bare.parent / "mirror" / "repository.git"
    if damage == "removed":
        shutil.rmtree(mirror)
    elif damage == "emptied":
        shutil.rmtree(mirror)
        mirror.mkdir()
    elif damage == "truncated-pack":
        repositories.git(mirror, "repack", "-adq")
        for pack in (mirror / "objects/pack").iterdir():
            pack.chmod(0o644)
            pack.write_bytes(pack.read_bytes()[:40])
    elif damage == "lost-objects":
        shutil.rmtree(mirror / "objects")
        (mirror / "objects").mkdir()
    elif damage == "no-head":
        (mirror / "HEAD").unlink()
    else:
        (mirror / "config").write_text("[core\n")
    for reading in (lambda: repository.snapshot(), lambda: on(bare).snapshot(tip)):
        found = reading().read(MEMBER)
        assert found is not None
        assert found.content == b"tenant: team-a\n"
    assert repository.fetch() == tip
    repositories.git(mirror, "fsck", "--strict")


def test_it_reads_on_when_its_mirror_breaks_under_a_snapshot(bare: Path) -> None:
    snapshot = on(bare).snapshot()
    shutil.rmtree(bare.parent / "mirror" / "repository.git" / "objects")
    assert list(snapshot.paths()) == ["b/c.yaml", MEMBER]
    found = snapshot.read(MEMBER)
    assert found is not None
    assert found.content == b"tenant: team-a\n"


def test_it_says_when_a_commit_went_with_a_broken_mirror(bare: Path) -> None:
    repository = on(bare)
    built = repository.build(repository.fetch(), request(adding("new.yaml")))
    repository.keep()
    mirror = bare.parent / "mirror" / "repository.git"
    for pack in (mirror / "objects" / "pack").glob("*.pack"):  # one that is open outlives its file
        content = pack.read_bytes()
        pack.unlink()
        repositories.git(mirror, "unpack-objects", "-q", stdin=content)
    snapshot = repository.snapshot(built)
    shutil.rmtree(mirror / "objects")
    with pytest.raises(Transient):
        snapshot.read("new.yaml")
    with pytest.raises(Refused) as refused:
        repository.push(repositories.tip(bare), built, timeout=10)
    assert refused.value.refusals[0].code == "unknown_commit"


def test_it_changes_to_another_remote_at_once(bare: Path, tmp_path: Path) -> None:
    on(bare).fetch()
    other = repositories.bare_repository(tmp_path / "other.git", {"other.yaml": ""})
    moved = GitRepository(
        folder=bare.parent / "mirror",
        remote=GitRemote(url=str(other), branch="main", allow_local=True),
    )
    assert list(moved.snapshot().paths()) == ["other.yaml"]


def test_it_shares_one_mirror_between_threads(bare: Path) -> None:
    tips: list[str] = []
    threads = [threading.Thread(target=lambda: tips.append(on(bare).fetch())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tips == [repositories.tip(bare)] * 6


def test_it_follows_a_rewritten_history(bare: Path) -> None:
    repository = on(bare)
    first = repository.fetch()
    repositories.commit(bare, {"x": "1"})
    second = repository.fetch()
    repositories.rewind(bare, first)
    assert repository.fetch() == first
    assert repository.is_ancestor(first, second)
    assert not repository.is_ancestor(second, first)


# What is a file


def test_it_takes_links_submodules_and_huge_files_for_no_files(bare: Path) -> None:
    repositories.commit(
        bare,
        {
            "link.yaml": "/etc/passwd",
            "b/module": "1" * 40,
            "big.yaml": "x" * 2000,
            "run.sh": "#!/bin/sh\n",
        },
        modes={
            "link.yaml": repositories.LINK,
            "b/module": repositories.SUBMODULE,
            "run.sh": repositories.EXECUTABLE,
        },
    )
    snapshot = on(bare, largest_file=1000).snapshot()
    assert list(snapshot.paths()) == ["b/c.yaml", MEMBER, "run.sh"]
    for path in ("link.yaml", "b/module", "big.yaml", "b/module/x"):
        assert snapshot.read(path) is None
    assert snapshot.read("run.sh") is not None


@pytest.mark.parametrize(
    "path", ["link.yaml", "b/module", "b", "link.yaml/inside", f"{MEMBER}/inside"]
)
def test_it_never_writes_through_what_is_no_file(bare: Path, path: str) -> None:
    base = repositories.commit(
        bare,
        {"link.yaml": "b", "b/module": "1" * 40},
        modes={"link.yaml": repositories.LINK, "b/module": repositories.SUBMODULE},
    )
    repository = on(bare)
    repository.fetch()
    with pytest.raises(Refused) as refused:
        repository.build(base, request(adding(path)))
    assert refused.value.refusals[0].code == "moved"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "../a",
        "a/../b",
        "./a",
        ".git/config",
        "a/.GIT/x",
        "a\\b",
        "a\nb",
        "a" * 1001,
    ],
)
def test_it_refuses_to_write_odd_paths(bare: Path, path: str) -> None:
    repository = on(bare)
    with pytest.raises(Refused) as refused:
        repository.build(repository.fetch(), request(adding(path)))
    assert refused.value.refusals[0].code == "invalid_path"


def test_it_skips_names_that_are_not_text(bare: Path) -> None:
    repositories.git(bare, "fast-import", "--quiet", stdin=(
        b"commit refs/heads/main\ncommitter A <a@example.com> 1750000000 +0000\n"
        b"data 1\nx\nfrom refs/heads/main^0\n"
        b'M 100644 inline "odd-\\377.yaml"\ndata 2\nx\n\n'
    ))  # fmt: skip
    repository = on(bare)
    assert list(repository.snapshot().paths()) == ["b/c.yaml", MEMBER]
    assert len(repository.changes(repositories.tip(bare))) == 1


# Commits


def test_it_keeps_the_kind_of_a_file_and_every_other_object(bare: Path) -> None:
    base = repositories.commit(bare, {"run.sh": "old\n"}, modes={"run.sh": repositories.EXECUTABLE})
    repository = on(bare)
    repository.fetch()
    built = repository.build(base, request(TreeEdit("run.sh", blob_id(b"old\n"), b"new\n")))
    repository.push(base, built, timeout=10)
    assert repositories.git(bare, "diff-tree", "-r", base, "main").split() == [
        ":100755", "100755", blob_id(b"old\n"), blob_id(b"new\n"), "M", "run.sh",
    ]  # fmt: skip


def test_it_drops_a_folder_with_its_last_file(bare: Path) -> None:
    repository = on(bare)
    base = repository.fetch()
    built = repository.build(base, request(TreeEdit(MEMBER, blob_id(b"tenant: team-a\n"), None)))
    repository.push(base, built, timeout=10)
    assert repositories.git(bare, "ls-tree", "--name-only", "main") == "b"


def test_it_signs_with_requester_and_service(bare: Path) -> None:
    repository = on(bare, committer=Identity("Fleet", "fleet@example.com"))
    base = repository.fetch()
    built = repository.build(
        base, request(adding("a"), author_name="Rita <r>\nX", author_email="rita@example.com>\n")
    )
    repository.push(base, built, timeout=10)
    shown = repositories.git(
        bare,
        "log",
        "-1",
        "--format=%an|%ae|%cn|%ce|%aI|%s|%(trailers:key=Change-Id,valueonly)",
        "main",
    )
    assert (
        shown == "Rita rX|rita@example.com|Fleet|fleet@example.com|"
        "2026-03-02T09:00:00+00:00|Subject|1"
    )
    repositories.git(bare, "fsck", "--strict")


def test_it_refuses_a_message_that_git_would_not_keep(bare: Path) -> None:
    repository = on(bare)
    base = repository.fetch()
    for message in ("", "  \n", "a\0b", "a\x1b[31m"):
        with pytest.raises(Refused):
            repository.build(base, request(adding("a"), message=message))


# Pushing


def test_it_leaves_no_reference_behind(bare: Path) -> None:
    repository = on(bare)
    base = repository.fetch()
    built = repository.build(base, request(adding("a")))
    repository.push(base, built, timeout=10)
    repositories.install_hook(bare, "pre-receive", "exit 1")
    repository.push(built, repository.build(built, request(adding("d"))), timeout=10)
    for place in (bare, bare.parent / "mirror" / "repository.git"):
        assert "push-" not in repositories.git(place, "for-each-ref")
    assert repositories.git(bare, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_it_stops_a_push_that_hangs(bare: Path) -> None:
    repository = on(bare)
    base = repository.fetch()
    built = repository.build(base, request(adding("a")))
    repositories.install_hook(bare, "pre-receive", "sleep 20")
    started = time.monotonic()
    assert "stopped after" in repository.push(base, built, timeout=1)
    assert time.monotonic() - started < 5
    assert repository.fetch() == base


def test_it_runs_no_hook_of_its_own(bare: Path) -> None:
    repository = on(bare)
    base = repository.fetch()
    mark = bare.parent / "hook-ran"
    for hook in ("pre-push", "reference-transaction", "post-update"):
        repositories.install_hook(bare.parent / "mirror" / "repository.git", hook, f"touch {mark}")
    repository.push(base, repository.build(base, request(adding("a"))), timeout=10)
    repository.fetch()
    assert not mark.exists()


def test_it_works_after_a_stale_lock_on_the_remote_is_gone(bare: Path) -> None:
    repository = on(bare)
    base = repository.fetch()
    built = repository.build(base, request(adding("a")))
    lock = bare / "refs/heads/main.lock"
    lock.touch()
    assert "accepted" not in repository.push(base, built, timeout=10)
    lock.unlink()
    assert "accepted" in repository.push(base, built, timeout=10)


# Words


def test_it_names_the_branches_where_ours_is_missing(bare: Path) -> None:
    with pytest.raises(Refused) as refused:
        on(bare, branch="release").fetch()
    assert "has no branch release; it has main." in str(refused.value)
    assert refused.value.refusals[0].field == "branch"


def test_it_says_that_there_is_no_such_repository(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        on(tmp_path / "none.git").fetch()
    assert refused.value.refusals[0].code == "repository_not_found"
    assert "does not exist or this account may not read it" in str(refused.value)


def test_it_checks_without_writing(bare: Path) -> None:
    tip = repositories.tip(bare)
    assert on(bare).check().endswith("The account may write.")
    assert repositories.tip(bare) == tip
