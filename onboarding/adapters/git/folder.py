"""A new repository in a folder of this machine, with a work tree: what a person pushes themselves."""

from __future__ import annotations

from pathlib import Path

import pygit2

from onboarding.adapters.git import objects
from onboarding.adapters.git.store import Store
from onboarding.domain.errors import Refused
from onboarding.ports import CommitRequest


def begin_repository(folder: Path, *, branch: str, url: str, request: CommitRequest) -> str:
    """Make a folder a Git repository whose first commit is the request's; return the commit.

    The folder is missing, empty, or the clone of an empty repository. Its remote `origin` is `url`,
    unless it has one. Raises `Refused` where anything is in it: nothing is written over.
    """
    repository = _empty_repository(folder, branch)
    for edit in request.edits:
        path = folder / edit.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if edit.is_link:
            path.symlink_to((edit.content or b"").decode())
        else:
            path.write_bytes(edit.content or b"")
    store = Store(repository)
    tree = pygit2.Oid(raw=objects.build_tree(store, b"", request.edits))
    store.keep()
    author = objects.signature(request.author_name, request.author_email, request.when)
    commit = repository.create_commit(
        f"refs/heads/{branch}", author, author, request.message, tree, []
    )
    repository.set_head(f"refs/heads/{branch}")
    repository.index.read_tree(tree)
    repository.index.write()
    if "origin" not in {remote.name for remote in repository.remotes}:
        repository.remotes.create("origin", url)
    return str(commit)


def _empty_repository(folder: Path, branch: str) -> pygit2.Repository:
    inside = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if folder.exists() and not folder.is_dir():
        raise Refused(f"{folder} is a file. Name a folder.", code="not_a_folder")
    if inside - {".git"}:
        raise Refused(
            f"{folder} is not empty, and nothing is written over. Name a new or empty folder.",
            code="not_empty",
        )
    if not inside:
        return pygit2.init_repository(str(folder), initial_head=branch)
    repository = pygit2.Repository(str(folder))
    if repository.listall_references():
        raise Refused(
            f"{folder} is a repository with commits, and nothing is written over them. "
            "Name a new or empty folder.",
            code="not_empty",
        )
    return repository
