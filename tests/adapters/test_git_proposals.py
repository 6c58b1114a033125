"""What merging somebody's branch would make: fetched, merged in the local store, and never pushed."""

from __future__ import annotations

from pathlib import Path

import pytest

from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.errors import Refused
from tests import repositories


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A remote with a branch `new` that has one commit more than `main`."""
    found = repositories.bare_repository(tmp_path / "remote.git", {"a.yaml": "a: 1\n"})
    repositories.git(found, "branch", "new", "main")
    repositories.commit(found, {"b.yaml": "b: 1\n"}, branch="new")
    return found


@pytest.fixture
def repository(bare: Path, tmp_path: Path) -> GitRepository:
    found = GitRepository(
        folder=tmp_path / "mirror",
        remote=GitRemote(url=str(bare), branch="main", allow_local=True),
    )
    found.fetch()
    return found


def test_it_is_the_branch_itself_where_that_continues_ours(
    bare: Path, repository: GitRepository
) -> None:
    assert repository.proposed("new") == repositories.tip(bare, "new")
    assert repository.proposed(repositories.tip(bare, "new")) == repositories.tip(bare, "new")


def test_it_follows_a_branch_that_was_rewritten(bare: Path, repository: GitRepository) -> None:
    repository.proposed("new")
    repositories.rewind(bare, repositories.tip(bare), branch="new")
    repositories.commit(bare, {"c.yaml": "c: 1\n"}, branch="new")
    assert repository.snapshot(repository.proposed("new")).paths() == ("a.yaml", "c.yaml")


def test_it_merges_what_has_gone_apart_and_touches_no_branch(
    bare: Path, repository: GitRepository
) -> None:
    ours = repositories.commit(bare, {"c.yaml": "c: 1\n"})
    repository.fetch()
    made = repository.proposed("new")
    assert repository.snapshot(made).paths() == ("a.yaml", "b.yaml", "c.yaml")
    assert repository.difference(ours, made).keys() == {"b.yaml"}
    assert repository.proposed("new") == made
    assert repositories.tip(bare) == ours == repository.snapshot().commit
    assert set(repositories.git(bare, "for-each-ref", "--format=%(refname)").split()) == {
        "refs/heads/main",
        "refs/heads/new",
    }


def test_it_is_the_tip_where_everything_is_merged(bare: Path, repository: GitRepository) -> None:
    repositories.git(bare, "branch", "old", "main")
    ours = repositories.commit(bare, {"c.yaml": "c: 1\n"})
    repository.fetch()
    assert repository.proposed("old") == ours


def test_it_names_the_files_in_which_they_conflict(bare: Path, repository: GitRepository) -> None:
    repositories.commit(bare, {"b.yaml": "b: 2\n"})
    repository.fetch()
    with pytest.raises(Refused, match=r"conflicts with the branch in b\.yaml"):
        repository.proposed("new")


@pytest.mark.parametrize("rev", ["none", "a" * 40])
def test_it_refuses_what_the_remote_has_not(repository: GitRepository, rev: str) -> None:
    with pytest.raises(Refused, match=f"has no branch or commit '{rev}'"):
        repository.proposed(rev)


@pytest.mark.parametrize(
    "rev", ["--upload-pack=x", "a..b", "refs/heads/new", "a b", "", "HEAD^{/x}"]
)
def test_it_hands_nothing_to_git_that_is_no_name(repository: GitRepository, rev: str) -> None:
    with pytest.raises(Refused, match="is not a branch name"):
        repository.proposed(rev)
