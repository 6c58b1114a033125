"""Path patterns with placeholders: matched against files, compared, and taken apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from onboarding.domain.layout import FleetLayout, LayerName
from onboarding.domain.path_patterns import path_expression

PLACEHOLDER = re.compile(r"\{(\w+|\?)\}")

# No component's folder begins like a layer's: such a file belongs to another layout.
_INSIDE = {"base": ".+", "component": "(?!(?:defaults?|tenants|environments|clusters)/).+"}

_NAMES = {
    frozenset(): (LayerName.SYSTEM, LayerName.TENANT_DEFAULTS),
    frozenset({"environment"}): (LayerName.ENVIRONMENT, LayerName.ENVIRONMENT_DEFAULTS),
    frozenset({"tenant"}): (LayerName.TENANT,),
    frozenset({"tenant", "environment"}): (LayerName.ENVIRONMENT,),
}


def is_plain(pattern: str) -> bool:
    """Whether a pattern is one file's path."""
    return "{" not in pattern and "*" not in pattern


def expression(pattern: str) -> re.Pattern[str]:
    """The paths of a pattern, below whatever base folder."""
    return path_expression(pattern, **_INSIDE)


@lru_cache(maxsize=32)
def _layer_expressions(layout: FleetLayout) -> tuple[re.Pattern[str], ...]:
    bases = sorted(set(layout.bases.values()))
    patterns = {layer.pattern.replace("{base}", base) for layer in layout.layers for base in bases}
    return tuple(expression(pattern) for pattern in sorted(patterns))


def is_read(layout: FleetLayout, path: str) -> bool:
    """Whether some cluster, with some component, could read this values file."""
    return any(found.fullmatch(path) for found in _layer_expressions(layout))


def common_tail(patterns: Sequence[str]) -> tuple[str, ...]:
    """The last folders and the file name that all patterns share, without any placeholder."""
    parts = [pattern.split("/") for pattern in patterns]
    tail: list[str] = []
    for step in zip(*(reversed(part) for part in parts), strict=False):
        if len(set(step)) > 1 or "{" in step[0]:
            break
        tail.insert(0, step[0])
    return tuple(tail) if len(tail) > 1 else ()


def shared_folder(patterns: Sequence[str]) -> str:
    """The folders with which all patterns begin, before any placeholder; "" for none."""
    heads = [pattern.partition("{")[0].split("/")[:-1] for pattern in patterns]
    shared: list[str] = []
    for step in zip(*heads, strict=False):
        if len(set(step)) > 1:
            break
        shared.append(step[0])
    return "/".join(shared)


def named_layers(patterns: Sequence[str]) -> list[dict[str, str]]:
    """Layers as `FleetLayout.from_data` reads them: each named for what narrows it.

    A pattern that leaves no name is called by its place, which the layout then refuses.
    """
    narrowed = [frozenset(PLACEHOLDER.findall(one)) - {"base", "component"} for one in patterns]
    found: list[dict[str, str]] = []
    used: set[LayerName] = set()
    for place, (pattern, by) in enumerate(zip(patterns, narrowed, strict=True), start=1):
        names = _NAMES.get(by, ())
        if "cluster" in by:
            last = place == len(patterns)
            names = (LayerName.CLUSTER if last else LayerName.CLUSTER_DEFAULTS,)
        elif by == {"environment"} and {"tenant", "environment"} in narrowed:
            names = (LayerName.ENVIRONMENT_DEFAULTS,)
        name = next((each for each in names if each not in used), None)
        if name:
            used.add(name)
        found.append({"name": name.value if name else f"layer {place}", "pattern": pattern})
    return found
