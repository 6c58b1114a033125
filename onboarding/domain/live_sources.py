"""What an ApplicationSet plainly says its Applications deploy, held against what Git foretells.

Plain is what stands in the set without being computed: a source of its template, or of the branch of its
`templatePatch` for one release channel, as the fleet's own chart writes it. The rest is not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from onboarding.domain.errors import Refused
from onboarding.domain.layout_detection.sets import UNKNOWN, pattern_of
from onboarding.domain.yaml.yamlread import load

_BRANCH = "eq .values.release `{}` }}}}"
_NEXT = re.compile(r"^\s*\{\{-?\s*(?:else|end)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What Git foretells of one component's Application: its chart and the patterns of its values files."""

    version: str
    chart: str
    repo_url: str
    release: str
    files: tuple[str, ...]


def differences(application_set: Mapping[str, object], wanted: Wanted) -> Iterator[str]:
    """How what the set plainly deploys differs from what Git foretells, as parts of a sentence."""
    sources = _plain_sources(application_set, wanted.release)
    for source in sources:
        version, chart = source.get("targetRevision"), source.get("chart")
        if not (chart and isinstance(version, str)) or "{{" in f"{version}{chart}":
            continue
        if wanted.repo_url and version != wanted.version:
            yield f"version {version:.60} where this repository says {wanted.version}"
        elif not wanted.repo_url:
            yield f"the chart {chart!s:.80} where this repository says {wanted.chart}"
    files = [pattern_of(one) for source in sources for one in _value_files(source)]
    if files and not any(UNKNOWN in one for one in files) and tuple(files) != wanted.files:
        same = sorted(files) == sorted(wanted.files)
        yield "its values files in another order" if same else "other values files"


def plain_version(application_set: Mapping[str, object]) -> str:
    """The version of the chart that a set's template plainly names; "" where it does not."""
    found = (one for one in _plain_sources(application_set, "") if one.get("chart"))
    version = next((one.get("targetRevision") for one in found), "")
    return version if isinstance(version, str) and "{{" not in version else ""


def _plain_sources(
    application_set: Mapping[str, object], release: str
) -> Sequence[Mapping[str, Any]]:
    spec = _map(application_set.get("spec"))
    found = _map(_map(spec.get("template")).get("spec"))
    patch = spec.get("templatePatch")
    if isinstance(patch, str) and "sources" in patch:
        found = _branch(patch, release)
    listed = found.get("sources")
    every = listed if isinstance(listed, list) else [found.get("source")]
    return [one for one in map(_map, every) if one]


def _branch(patch: str, release: str) -> Mapping[str, Any]:
    """What a `templatePatch` says between the test for a release channel and the next one."""
    _, there, rest = patch.partition(_BRANCH.format(release))
    if not there:
        return {}
    rest = rest.partition("\n")[2]  # a comment may stand behind the test
    end = _NEXT.search(rest)
    text = dedent(rest[: end.start()] if end else rest)
    try:
        return _map(load(text, path="the templatePatch"))
    except Refused:
        return {}


def _value_files(source: Mapping[str, Any]) -> Iterator[str]:
    listed = _map(source.get("helm")).get("valueFiles")
    yield from (one for one in listed or () if isinstance(one, str) and one.startswith("$"))


def _map(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}
