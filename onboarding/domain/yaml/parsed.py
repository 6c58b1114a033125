"""Values files as they were read, kept by their content: upper layers serve thousands of clusters."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from threading import Lock

from onboarding.domain.snapshot import SnapshotFile
from onboarding.domain.yaml.located import Located
from onboarding.domain.yaml.yamlread import MalformedYaml, YamlProblem, load_located

KEPT_BYTES = 4 * 1024 * 1024
"""How much text may stand behind what is kept; read YAML takes some twenty times as much memory."""


class _Kept:
    """What contents were read to, the least used forgotten first, bounded by their size.

    Many files have one content: a cluster's own is often its neighbour's, too.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: OrderedDict[bytes, Located] = OrderedDict()
        self._bytes = 0

    def get(self, file: SnapshotFile) -> Located | None:
        with self._lock:
            found = self._known.get(file.content)
            if found is None:
                return None
            self._known.move_to_end(file.content)
        return found if found.path == file.path else replace(found, path=file.path)

    def keep(self, file: SnapshotFile, located: Located) -> None:
        with self._lock:
            if file.content not in self._known:
                self._known[file.content] = located
                self._bytes += len(file.content)
            while self._bytes > KEPT_BYTES:
                self._bytes -= len(self._known.popitem(last=False)[0])


_kept = _Kept()


def located(file: SnapshotFile) -> Located:
    """A file with the line of every key, whatever it holds; shared, so that nobody changes it.

    Raises `MalformedYaml` where it cannot be read.
    """
    found = _kept.get(file)
    if found is None:
        found = load_located(file.content, path=file.path)
        _kept.keep(file, found)
    return found


def located_map(file: SnapshotFile) -> Located:
    """A values file with the line of every key; its value is a map, or None for an empty file.

    Raises `MalformedYaml` where it cannot be read or does not hold a map, as Helm would fail. What
    is returned is shared: nobody changes it.
    """
    found = located(file)
    if not isinstance(found.value, dict | None):
        raise MalformedYaml(
            YamlProblem(file.path, 1, 1, "a values file must hold a map of values.")
        )
    return found
