"""Builds and compares Git objects in the local store: trees, commits, differences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pygit2
from pygit2.enums import FileMode

from onboarding.adapters.git.kept import Kept
from onboarding.domain.errors import Refused
from onboarding.ports import CommitFacts, CommitRequest, TreeEdit

_REGULAR = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)
_LONGEST_PATH = 1000
_FOLDER = b"40000"
# One entry of a tree object: kind in octal, blank, name, zero byte, id (20 bytes).
_TREE_ENTRY = re.compile(rb"([0-7]+) ([^\0]+)\0(.{20})", re.DOTALL)

_Entry = tuple[bytes, bytes, bytes]
_Differing = tuple[tuple[str, tuple[str, str]], ...]

# Commits that continue each other share most folders; built again on another base, nearly all.
_entries_kept: Kept[pygit2.Oid, frozenset[_Entry]] = Kept(12)
_written_kept: Kept[tuple[object, ...], pygit2.Oid] = Kept(2_000)
_differing_kept: Kept[tuple[bytes, bytes], _Differing] = Kept(2_000)
_FEW = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """Who commits; the author of a commit is the person who asked for it."""

    name: str = "Fleet UI"
    email: str = "fleet-ui@localhost"


def build_tree(
    repository: pygit2.Repository, base: pygit2.Tree | None, edits: Sequence[TreeEdit]
) -> pygit2.Tree:
    """The tree that `base` becomes by the edits; everything else in it stays the same object.

    Raises `Refused` (code `moved`) where a file is not what its edit expects, where a path is no
    plain file, or where the tree that was built differs from `base` in anything but what was asked.
    """
    asked = {edit.path: edit for edit in edits}
    if len(asked) != len(edits) or not edits:
        raise Refused("A commit needs edits, and each file at most once.", code="moved")
    for edit in edits:
        _check_path(edit.path)
    built = _write(repository, base, list(asked.items()), "")
    tree = repository[built].peel(pygit2.Tree) if built else _empty_tree(repository)
    found = difference(repository, base, tree)
    expected = {
        edit.path: (
            edit.before_blob,
            "" if edit.content is None else str(pygit2.hash(edit.content)),
        )
        for edit in edits
    }
    if found != expected:
        odd = ", ".join(
            sorted(path for path in {*found, *expected} if found.get(path) != expected.get(path))
        )
        raise Refused(
            f"The commit would not be exactly what was planned: {odd}. Plan again.", code="moved"
        )
    return tree


def difference(
    repository: pygit2.Repository, before: pygit2.Tree | None, after: pygit2.Tree | None
) -> Mapping[str, tuple[str, str]]:
    """Path -> (blob before, blob after) of all that differs between two trees; "" for absent.

    A change of kind alone (a file becomes executable) shows as the same blob twice.
    """
    return dict(
        _differing(repository, before.id.raw if before else b"", after.id.raw if after else b"")
    )


def changes_of(
    repository: pygit2.Repository, commit: pygit2.Commit
) -> Mapping[str, tuple[str, str]]:
    """Path -> (blob before, blob after) of one commit against its first parent."""
    parent = commit.parents[0].tree if commit.parent_ids else None
    return difference(repository, parent, commit.tree)


def write_commit(
    repository: pygit2.Repository,
    request: CommitRequest,
    committer: Identity,
    tree: pygit2.Oid,
    parents: list[pygit2.Oid],
    *,
    sign: Callable[[bytes], str] | None = None,
) -> str:
    """Keep a commit as an object, signed where `sign` gives a signature; return its SHA."""
    arguments: Any = (
        signature(request.author_name, request.author_email, request.when),
        signature(committer.name, committer.email, request.when),
        request.message,
        tree,
        parents,
    )
    if sign is None:
        return str(repository.create_commit(None, *arguments))
    text = str(repository.create_commit_string(*arguments))
    return str(repository.create_commit_with_signature(text, sign(text.encode()), "gpgsig"))


def facts_of(repository: pygit2.Repository, commit: pygit2.Commit) -> CommitFacts:
    """What the pages and the writer need to know of one commit."""
    author = commit.author
    return CommitFacts(
        sha=str(commit.id),
        subject=commit.message.strip().partition("\n")[0],
        author_name=author.name,
        authored_at=_moment(author),
        trailers=trailers_of(commit),
        paths=tuple(sorted(changes_of(repository, commit))),
    )


def trailers_of(commit: pygit2.Commit) -> Mapping[str, str]:
    """The trailers of a commit's message (git interpret-trailers); the last of a name counts."""
    return dict(commit.message_trailers)


def signature(name: str, email: str, when: datetime) -> pygit2.Signature:
    """A Git identity that cannot break out of its line; a missing name becomes the address."""
    plain_email = _plain(email) or "unknown@invalid"
    return pygit2.Signature(
        _plain(name) or plain_email,
        plain_email,
        int(when.timestamp()),
        int((when.utcoffset() or timedelta()).total_seconds() // 60),
        "utf-8",
    )


def _write(
    repository: pygit2.Repository,
    tree: pygit2.Tree | None,
    edits: list[tuple[str, TreeEdit]],
    folder: str,
) -> pygit2.Oid | None:
    """Write one folder with its edits (path below it -> edit); None where nothing is left in it."""
    builder = repository.TreeBuilder(tree) if tree is not None else repository.TreeBuilder()
    below: dict[str, list[tuple[str, TreeEdit]]] = {}
    for path, edit in edits:
        name, slash, rest = path.partition("/")
        present = tree[name] if tree is not None and name in tree else None
        if slash:
            if present is not None and not isinstance(present, pygit2.Tree):
                raise _moved(edit.path, f"{folder}{name} is a file or link there, not a folder")
            below.setdefault(name, []).append((rest, edit))
        else:
            _put(repository, builder, name, present, edit)
    for name, inner in below.items():
        present = tree[name] if tree is not None and name in tree else None
        written = _write_once(
            repository,
            present if isinstance(present, pygit2.Tree) else None,
            inner,
            f"{folder}{name}/",
        )
        if written is not None:
            builder.insert(name, written, FileMode.TREE)
        elif present is not None:
            builder.remove(name)
    return builder.write() if len(builder) else None


def _write_once(
    repository: pygit2.Repository,
    tree: pygit2.Tree | None,
    edits: list[tuple[str, TreeEdit]],
    folder: str,
) -> pygit2.Oid | None:
    """As `_write`; the same edits of the same folder give what they gave before, while it is there."""
    asked = ((path, edit.before_blob, edit.content) for path, edit in edits)
    key = (tree.id if tree is not None else None, *asked)
    known = _written_kept.get(key)
    if known is not None and known in repository:
        return known
    written = _write(repository, tree, edits, folder)
    return written if written is None else _written_kept.keep(key, written)


def _put(
    repository: pygit2.Repository,
    builder: pygit2.TreeBuilder,
    name: str,
    present: pygit2.Object | None,
    edit: TreeEdit,
) -> None:
    """Place or remove one file, if what stands there is what the edit expects."""
    if present is not None and present.filemode not in _REGULAR:
        raise _moved(edit.path, "it is a folder, link or submodule there, not a file")
    if (str(present.id) if present is not None else "") != edit.before_blob:
        raise _moved(edit.path, "it is not what the plan was made for")
    if edit.content is not None:
        mode = present.filemode if present is not None else FileMode.BLOB
        builder.insert(name, repository.create_blob(edit.content), mode)
    elif present is not None:
        builder.remove(name)


def _check_path(path: str) -> None:
    """Refuse what is no plain path of a repository, whoever asks for it."""
    parts = path.split("/")
    odd = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if odd or len(path) > _LONGEST_PATH or "\\" in path or not path.isprintable():
        raise Refused(f"{path!r:.200} is not a path that may be written.", code="invalid_path")


def _moved(path: str, why: str) -> Refused:
    return Refused(f"{path} cannot be written: {why}. Plan again.", code="moved")


def _differing(repository: pygit2.Repository, before: bytes, after: bytes) -> _Differing:
    """What differs below two trees, of which only that is entered (libgit2's diff enters all)."""
    known = _differing_kept.get((before, after))
    if known is not None:
        return known
    found = tuple(_compare(repository, before, after))
    return _differing_kept.keep((before, after), found) if len(found) <= _FEW else found


def _compare(
    repository: pygit2.Repository, before: bytes, after: bytes
) -> Iterator[tuple[str, tuple[str, str]]]:
    old, new = _entries(repository, before), _entries(repository, after)
    was = {name: (mode, oid) for mode, name, oid in old - new}
    becomes = {name: (mode, oid) for mode, name, oid in new - old}
    for raw in sorted({*was, *becomes}):
        # Bytes of a name that are not UTF-8 are shown escaped.
        name = raw.decode("utf-8", "backslashreplace")
        old_folder, old_file = _folder_or_file(was.get(raw))
        new_folder, new_file = _folder_or_file(becomes.get(raw))
        if old_folder or new_folder:
            for path, blobs in _differing(repository, old_folder, new_folder):
                yield f"{name}/{path}", blobs
        if old_file or new_file:
            yield name, (old_file, new_file)


def _entries(repository: pygit2.Repository, tree: bytes) -> frozenset[_Entry]:
    """Kind, name and id of all that a folder holds ("": there is none), read from the object's bytes.

    A folder of thousands of members is compared for every commit; as objects that takes ten times
    as long.
    """
    if not tree:
        return frozenset()
    oid = pygit2.Oid(raw=tree)
    known = _entries_kept.get(oid)
    if known is None:
        found = frozenset(_TREE_ENTRY.findall(repository[oid].read_raw()))
        known = _entries_kept.keep(oid, found)
    return known


def _folder_or_file(entry: tuple[bytes, bytes] | None) -> tuple[bytes, str]:
    """An entry's id as a folder's, or in hex as a file's, link's or submodule's."""
    if entry is None:
        return b"", ""
    mode, oid = entry
    return (oid, "") if mode == _FOLDER else (b"", oid.hex())


def _empty_tree(repository: pygit2.Repository) -> pygit2.Tree:
    return repository[repository.TreeBuilder().write()].peel(pygit2.Tree)


def _moment(author: pygit2.Signature) -> datetime:
    """When a commit was authored, on its author's clock; a nonsensical time becomes the epoch."""
    try:
        return datetime.fromtimestamp(author.time, timezone(timedelta(minutes=author.offset)))
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def _plain(text: str) -> str:
    """A name or address without the characters that structure a Git identity."""
    return "".join(char for char in text if char.isprintable() and char not in "<>").strip(
        " .,:;'\"\\"
    )


def check_message(message: str) -> None:
    """Refuse a message that Git could not keep as it is."""
    if not message.strip() or any(
        not char.isprintable() and char not in "\n\t" for char in message
    ):
        raise Refused(
            "The commit message is empty or holds characters that cannot be printed.",
            code="message",
        )
