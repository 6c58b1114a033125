"""A commit that fails made small: the least that still fails."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.agreement.situations import Commit, Situation, Tree

ATTEMPTS = 200
_T = TypeVar("_T")


def shrink(
    commit: Commit, cluster: str, fails: Callable[[Commit], bool], attempts: int = ATTEMPTS
) -> Commit:
    """The cluster alone, with as few files, keys, options and pins as still make `fails` true.

    `fails` is asked at most `attempts` times; where the cluster alone does not fail, the commit
    comes back as it was.
    """
    (situation,) = [one for one in commit.situations if one.cluster == cluster]
    alone = replace(commit, situations=(situation,))
    budget = iter(range(attempts))

    def still(smaller: Commit) -> bool:
        return next(budget, None) is not None and fails(smaller)

    if not still(alone):
        return commit
    for part in (_shared_files, _own_files, _pins, _options):
        alone = _fewest(alone, part, still)
    for path in list(alone.files):
        alone = _smallest_tree(alone, path, still, _with_shared)
    for path in list(alone.situations[0].files):
        alone = _smallest_tree(alone, path, still, _with_own)
    return alone


# What can be left out: each part gives its items, and the commit with some of them alone.

_Part = tuple[list[str], Callable[[Sequence[str]], Commit]]


def _shared_files(commit: Commit) -> _Part:
    def keep(paths: Sequence[str]) -> Commit:
        return replace(commit, files={path: commit.files[path] for path in paths})

    return list(commit.files), keep


def _own_files(commit: Commit) -> _Part:
    situation = commit.situations[0]

    def keep(paths: Sequence[str]) -> Commit:
        return _with(commit, replace(situation, files={p: situation.files[p] for p in paths}))

    return list(situation.files), keep


def _pins(commit: Commit) -> _Part:
    intent = commit.situations[0].intent

    def keep(keys: Sequence[str]) -> Commit:
        fewer = replace(intent, pins={key: intent.pins[key] for key in keys})
        return _with(commit, replace(commit.situations[0], intent=fewer))

    return list(intent.pins), keep


def _options(commit: Commit) -> _Part:
    intent = commit.situations[0].intent

    def keep(keys: Sequence[str]) -> Commit:
        fewer = replace(intent, options={key: intent.options[key] for key in keys})
        return _with(commit, replace(commit.situations[0], intent=fewer))

    return list(intent.options), keep


def _with(commit: Commit, situation: Situation) -> Commit:
    return replace(commit, situations=(situation,))


def _fewest(
    commit: Commit, part: Callable[[Commit], _Part], fails: Callable[[Commit], bool]
) -> Commit:
    """Leaves out halves, quarters and at last single items, as long as it fails without them."""
    items, keep = part(commit)
    size = len(items)
    while size:
        for start in range(0, len(items), size):
            fewer = items[:start] + items[start + size :]
            if len(fewer) < len(items) and fails(keep(fewer)):
                items = fewer
                break
        else:
            size //= 2
        size = min(size, len(items))
    return keep(items)


def _with_shared(commit: Commit, path: str, tree: Tree) -> Commit:
    return replace(commit, files={**commit.files, path: tree})


def _with_own(commit: Commit, path: str, tree: Tree) -> Commit:
    situation = commit.situations[0]
    return _with(commit, replace(situation, files={**situation.files, path: tree}))


def _smallest_tree(
    commit: Commit,
    path: str,
    fails: Callable[[Commit], bool],
    put: Callable[[Commit, str, Tree], Commit],
) -> Commit:
    """Leaves out keys of one file, the outer ones first."""
    tree = commit.files.get(path) or commit.situations[0].files[path]
    waiting = list(_keys(tree, ()))
    for keys in waiting:
        smaller = _without(tree, keys)
        if smaller is not None and fails(put(commit, path, smaller)):
            tree = smaller
    return put(commit, path, tree)


def _keys(tree: Tree, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for key, node in tree.items():
        yield (*above, key)
        if isinstance(node, dict):
            yield from _keys(node, (*above, key))


def _without(tree: Tree, keys: tuple[str, ...]) -> Tree | None:
    """The tree without one key; None where it is gone already."""
    smaller = copy.deepcopy(tree)
    node = smaller
    for key in keys[:-1]:
        below = node.get(key)
        if not isinstance(below, dict):
            return None
        node = below
    if keys[-1] not in node:
        return None
    del node[keys[-1]]
    return smaller
