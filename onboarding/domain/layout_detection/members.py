"""Where the member files are: as the registration reads them, else where files look like members."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from onboarding.domain.layout_detection.notes import Notes
from onboarding.domain.layout_detection.patterns import expression
from onboarding.domain.layout_detection.sets import UNKNOWN, SetPath, SetText
from onboarding.domain.snapshot import Snapshot

_KEYS = (b"clusterName:", b"secretManagerSecretName:")
_EXAMPLES = 3


def registration_of(sets: Sequence[SetText], notes: Notes) -> SetText | None:
    """The ApplicationSet that reads member files: a Git generator over a folder of each hub."""
    reading = [
        (found, pattern)
        for found in sets
        for path in found.generator_files
        if (pattern := _member_pattern(path))
    ]
    if not reading:
        return None
    chosen, _ = max(reading, key=lambda each: "member" in each[1])
    notes.say(
        "registration",
        f"{chosen.label} reads the member files of each hub.",
        chosen.path,
        chosen.line,
    )
    return chosen


def members_pattern(
    snapshot: Snapshot, paths: Sequence[str], registration: SetText | None, notes: Notes
) -> str:
    """Where member files are, with {hub} and {cluster}; "" where there are none."""
    for path in registration.generator_files if registration else ():
        pattern = _with_base(_member_pattern(path), paths)
        if registration and pattern:
            notes.say(
                "members",
                f"Member files are read from {pattern}.",
                registration.path,
                path.line,
            )
            return pattern
    return _by_content(snapshot, paths, notes)


def _member_pattern(path: SetPath) -> str:
    """A generator's path with {hub} and {cluster}; "" where it is not of that shape."""
    folder, _, name = path.pattern.rpartition("/")
    if "{hub}" not in folder:
        folder = folder.replace("*", "{hub}", 1)
    if "{hub}" not in folder or "*" in folder or name.count("*") != 1:
        return ""
    return f"{folder}/{name.replace('*', '{cluster}')}"


def _with_base(pattern: str, paths: Sequence[str]) -> str:
    """The pattern with its base folder as the files have it; "" where no file fits."""
    known = pattern.replace(UNKNOWN, "{base}")
    if "{base}" not in known:
        return pattern
    if not known.startswith("{base}/") or known.count("{base}") > 1:
        return ""
    wanted = expression(known)
    bases = Counter(found["base"] for path in paths if (found := wanted.fullmatch(path)))
    if not bases:
        return ""
    return known.replace("{base}", min(bases, key=lambda each: (each.count("/"), -bases[each])))


def _by_content(snapshot: Snapshot, paths: Sequence[str], notes: Notes) -> str:
    roots = Counter(path.rsplit("/", 2)[0] for path in _looking_like_members(snapshot, paths))
    if not roots:
        return ""
    (root, count), *others = roots.most_common(1 + _EXAMPLES)
    notes.say(
        "members",
        f"{count} files below {root} look like fleet members; no ApplicationSet says where they are.",
        root,
    )
    for other, number in others:
        notes.puzzle(
            "members", f"{number} more files look like fleet members and are not taken.", other
        )
    return f"{root}/{{hub}}/{{cluster}}.yaml"


def _looking_like_members(snapshot: Snapshot, paths: Sequence[str]) -> Iterator[str]:
    for path in paths:
        if path.count("/") < 2 or not path.endswith(".yaml"):
            continue
        file = snapshot.read(path)
        if file and all(re.search(rb"^" + key, file.content, re.MULTILINE) for key in _KEYS):
            yield path
