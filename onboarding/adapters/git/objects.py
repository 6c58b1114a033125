"""Builds and compares Git objects in the local store: trees, commits, differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

import pygit2

from onboarding.adapters.git.folders import FILE, FOLDER, LINK, Entry
from onboarding.adapters.git.kept import Kept
from onboarding.adapters.git.store import Store
from onboarding.domain.errors import Refused
from onboarding.ports import CommitFacts, CommitRequest, TreeEdit

_LONGEST_PATH = 1000

_Differing = tuple[tuple[str, tuple[str, str]], ...]

# Commits that are built again on another base share nearly all folders with what they were.
_written_kept: Kept[tuple[object, ...], bytes] = Kept(2_000)
_differing_kept: Kept[tuple[bytes, bytes], _Differing] = Kept(2_000)
_FEW = 20


@dataclass(frozen=True, slots=True)
class Identity:
    """Who commits; the author of a commit is the person who asked for it."""

    name: str = "Fleet UI"
    email: str = "fleet-ui@localhost"


def build_tree(store: Store, base: bytes, edits: Sequence[TreeEdit]) -> bytes:
    """The tree that `base` ("": none) becomes by the edits; everything else stays the same object.

    Raises `Refused` (code `moved`) where a file is not what its edit expects, where a path is no
    plain file, or where the tree that was built differs from `base` in anything but what was asked.
    """
    asked = {edit.path: edit for edit in edits}
    if len(asked) != len(edits) or not edits:
        raise Refused("A commit needs edits, and each file at most once.", code="moved")
    for edit in edits:
        _check_path(edit.path)
    tree = _write(store, base, list(asked.items()), "") or store.write("tree", b"")
    found = difference(store, base, tree)
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


def difference(store: Store, before: bytes, after: bytes) -> Mapping[str, tuple[str, str]]:
    """Path -> (blob before, blob after) of all that differs between two trees; "" for absent.

    A change of kind alone (a file becomes executable) shows as the same blob twice.
    """
    return dict(_differing(store, before, after))


def changes_of(
    repository: pygit2.Repository, commit: pygit2.Commit
) -> Mapping[str, tuple[str, str]]:
    """Path -> (blob before, blob after) of one commit against its first parent."""
    parent = commit.parents[0].tree_id.raw if commit.parent_ids else b""
    return difference(Store(repository), parent, commit.tree_id.raw)


def tree_of(store: Store, commit: bytes) -> bytes:
    """The tree of a commit ("": there is none); `KeyError` or `ValueError` where it is no commit there."""
    if not commit:
        return b""
    kind, _, rest = store.read(commit).partition(b" ")
    if kind != b"tree":
        raise ValueError(f"{commit.hex()} is no commit.")
    return bytes.fromhex(rest[:40].decode("ascii"))


def write_commit(
    store: Store,
    request: CommitRequest,
    committer: Identity,
    *,
    tree: bytes,
    parent: bytes,
    sign: Callable[[bytes], str] | None = None,
) -> bytes:
    """Hold a commit on a parent ("": none), signed where `sign` gives a signature; return its id."""
    author = signature(request.author_name, request.author_email, request.when)
    service = signature(committer.name, committer.email, request.when)
    head = [
        f"tree {tree.hex()}",
        *([f"parent {parent.hex()}"] if parent else []),
        f"author {_line(author)}",
        f"committer {_line(service)}",
    ]
    if sign is not None:
        unsigned = "\n".join([*head, "", request.message]).encode()
        head.append("gpgsig " + sign(unsigned).replace("\n", "\n "))
    return store.write("commit", "\n".join([*head, "", request.message]).encode())


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


def _line(who: pygit2.Signature) -> str:
    """A Git identity as its line in a commit."""
    hours, minutes = divmod(abs(who.offset), 60)
    return f"{who.name} <{who.email}> {who.time} {'-' if who.offset < 0 else '+'}{hours:02}{minutes:02}"


def _write(store: Store, tree: bytes, edits: Sequence[tuple[str, TreeEdit]], where: str) -> bytes:
    """Write one folder with its edits (path below it -> edit); b"" where nothing is left in it."""
    folder = store.folder(tree).copy()
    below: dict[bytes, list[tuple[str, TreeEdit]]] = {}
    for path, edit in edits:
        part, slash, rest = path.partition("/")
        name = part.encode()
        present = folder.find(name)
        if slash:
            if present is not None and not present.is_folder:
                raise _moved(edit.path, f"{where}{part} is a file or link there, not a folder")
            below.setdefault(name, []).append((rest, edit))
        elif present is not None and not present.is_file:
            raise _moved(edit.path, "it is a folder, link or submodule there, not a file")
        elif (present.oid.hex() if present is not None else "") != edit.before_blob:
            raise _moved(edit.path, "it is not what the plan was made for")
        elif edit.content is None:
            folder.drop(name)
        else:
            made = LINK if edit.is_link else FILE
            kind = present.kind if present is not None else made
            folder.put(Entry(kind, name, store.write("blob", edit.content)))
    for name, inner in below.items():
        present = folder.find(name)
        written = _write_once(
            store, present.oid if present is not None else b"", inner, f"{where}{name.decode()}/"
        )
        if written:
            folder.put(Entry(FOLDER, name, written))
        else:
            folder.drop(name)
    return store.write_folder(folder, before=tree)


def _write_once(
    store: Store, tree: bytes, edits: Sequence[tuple[str, TreeEdit]], where: str
) -> bytes:
    """As `_write`; the same edits of the same folder give what they gave before, while it is there."""
    key = (tree, *((path, edit.before_blob, edit.content, edit.is_link) for path, edit in edits))
    known = _written_kept.get(key)
    if known is not None and known in store:
        return known
    written = _write(store, tree, edits, where)
    return _written_kept.keep(key, written) if written else written


def _check_path(path: str) -> None:
    """Refuse what is no plain path of a repository, whoever asks for it."""
    parts = path.split("/")
    odd = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if odd or len(path) > _LONGEST_PATH or "\\" in path or not path.isprintable():
        raise Refused(f"{path!r:.200} is not a path that may be written.", code="invalid_path")


def _moved(path: str, why: str) -> Refused:
    return Refused(f"{path} cannot be written: {why}. Plan again.", code="moved")


def _differing(store: Store, before: bytes, after: bytes) -> _Differing:
    """What differs below two trees, of which only that is entered (libgit2's diff enters all)."""
    known = _differing_kept.get((before, after))
    if known is not None:
        return known
    found = tuple(_compare(store, before, after))
    return _differing_kept.keep((before, after), found) if len(found) <= _FEW else found


def _compare(store: Store, before: bytes, after: bytes) -> Iterator[tuple[str, tuple[str, str]]]:
    gone, come = store.folder(before).against(store.folder(after))
    was = {entry.name: entry for entry in map(Entry.read, gone)}
    becomes = {entry.name: entry for entry in map(Entry.read, come)}
    for raw in sorted({*was, *becomes}):
        # Bytes of a name that are not UTF-8 are shown escaped.
        name = raw.decode("utf-8", "backslashreplace")
        old_folder, old_file = _folder_or_file(was.get(raw))
        new_folder, new_file = _folder_or_file(becomes.get(raw))
        if old_folder or new_folder:
            for path, blobs in _differing(store, old_folder, new_folder):
                yield f"{name}/{path}", blobs
        if old_file or new_file:
            yield name, (old_file, new_file)


def _folder_or_file(entry: Entry | None) -> tuple[bytes, str]:
    """An entry's id as a folder's, or in hex as a file's, link's or submodule's."""
    if entry is None:
        return b"", ""
    return (entry.oid, "") if entry.is_folder else (b"", entry.oid.hex())


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
