"""Patterns of paths in a fleet repository: what may stand in them, filling them in, and reading them back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from onboarding.domain.errors import Refused

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_NAMED = re.compile(r"\{([a-z]+)\}")
# One folder or file of a path in the repository: never hidden, never "." or "..", never an option.
SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
_PATH = re.compile(rf"{SEGMENT.pattern}(?:/{SEGMENT.pattern})*")


def bad_layout(name: str, problem: str) -> Refused:
    return Refused(
        f"The layout {name!r:.40} is not usable: {problem}", field="layout", code="invalid_layout"
    )


def fill(pattern: str, values: Mapping[str, str]) -> str:
    """Put values into a pattern and verify that the path stays below the pattern's fixed beginning.

    The names were parsed before, so a failure here is a mistake of ours or of the configuration;
    it is refused all the same, for a path decides what is overwritten.
    """
    path = pattern.format_map(values)
    if not _PATH.fullmatch(path):
        raise unsafe(path)
    return path


def unsafe(path: str) -> Refused:
    return Refused(
        f"{path!r:.200} is not a path inside the fleet repository; check the names in it.",
        code="unsafe_path",
    )


def check_pattern(layout: str, pattern: str, allowed: frozenset[str]) -> set[str]:
    """The placeholders of a pattern; refuses unknown ones and paths that leave the repository."""
    used = set(PLACEHOLDER.findall(pattern))
    if unknown := sorted(used - allowed):
        raise bad_layout(
            layout, f"{pattern!r:.120} has the unknown placeholder {unknown[0]!r:.40}."
        )
    if not all(SEGMENT.fullmatch(part) for part in PLACEHOLDER.sub("x", pattern).split("/")):
        raise bad_layout(layout, f"{pattern!r:.120} is not a path inside the repository.")
    return used


def layer_pattern(pattern: str, bases: Iterable[str]) -> re.Pattern[str]:
    """A layer's paths below some base folders, as an expression with a group for each placeholder."""
    folders = "|".join(re.escape(base) for base in sorted(set(bases)))
    return path_expression(pattern, base=folders, component=".+")


def path_expression(pattern: str, **inside: str) -> re.Pattern[str]:
    """The paths of a pattern: the first of each placeholder is a named group, others repeat it.

    `inside` says what a placeholder may stand for, as an expression; by itself one folder's name.
    """
    parts: list[str] = []
    seen: set[str] = set()
    for number, part in enumerate(_NAMED.split(pattern)):
        if number % 2 == 0:
            parts.append(re.escape(part))
        elif part in seen:
            parts.append(f"(?P={part})")
        else:
            parts.append(f"(?P<{part}>{inside.get(part, '[^/]+')})")
            seen.add(part)
    return re.compile("".join(parts))
