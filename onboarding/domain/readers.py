"""Who reads a values file: from the paths that moved to the clusters below them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property

from onboarding.domain.layout import FleetLayout
from onboarding.domain.path_patterns import path_expression

_NAMES = ("tenant", "environment", "cluster")


class Readers:
    """Which clusters read one of the files at `paths` for a component (None: for any).

    `base` is the folder below which they look; every cluster below it is asked alike.
    """

    def __init__(
        self, layout: FleetLayout, paths: Collection[str], *, base: str, component: str | None
    ) -> None:
        self._layout = layout
        self._paths = paths
        self._base = base
        self._component = ".+" if component is None else re.escape(component)

    def has(self, *, tenant: str, environment: str, cluster: str) -> bool:
        """Whether a cluster at this place reads one of them."""
        place = {"tenant": tenant, "environment": environment, "cluster": cluster}
        return any(
            tuple(place[name] for name in names) in found for names, found in self._narrowed.items()
        )

    @cached_property
    def _narrowed(self) -> Mapping[tuple[str, ...], set[tuple[str, ...]]]:
        """What narrows a layer -> those whom the moved files of such layers are for."""
        found: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
        for names, matched in self._matches():
            found.setdefault(names, set()).add(tuple(matched[name] for name in names))
        return found

    def _matches(self) -> Iterator[tuple[tuple[str, ...], re.Match[str]]]:
        # One path may be the file of several layers, for components may hold slashes.
        for layer in self._layout.layers:
            names = tuple(name for name in _NAMES if name in layer.narrowed_by)
            pattern = path_expression(
                layer.pattern.replace("{base}", self._base), component=self._component
            )
            for path in self._paths:
                if matched := pattern.fullmatch(path):
                    yield names, matched
