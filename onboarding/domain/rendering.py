"""What a real engine is given, and what is taken from its answer: charts of the repository, Go templates.

The engine itself is a port (`ChartRenderer`); here it is a function from a chart's files and values files
to objects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from onboarding.domain.errors import Refused
from onboarding.domain.snapshot import Snapshot
from onboarding.domain.yaml.parsed import located_map

Render = Callable[[Mapping[str, bytes], Sequence[bytes]], tuple[Mapping[str, Any], ...]]

_NOT_IN_HELM = re.compile(r"\{\{[^}]*?(?<![.\w])(normalize|slugify)\b")
_MOST_DEPENDENCIES = 20
_FILLING_CHART: Mapping[str, bytes] = {
    "Chart.yaml": b"apiVersion: v2\nname: filled\nversion: 1.0.0\n",
    "templates/filled.yaml": b"""\
{{- $filled := list }}
{{- range .Values.templates }}{{ $filled = append $filled (tpl . (deepCopy $.Values.parameters)) }}{{ end }}
filled: {{ toJson $filled | quote }}
""",
}


def needs_argo_cd(text: str) -> str:
    """The function of Argo CD's that a Go template calls and Helm lacks; "" where it calls none.

    Both have sprig; `normalize` and `slugify` are the ApplicationSet controller's own.
    """
    found = _NOT_IN_HELM.search(text)
    return found[1] if found else ""


def fill(
    render: Render, templates: Sequence[str], parameters: Mapping[str, Any]
) -> tuple[str, ...]:
    """Go templates filled in with parameters, by Helm's `tpl`.

    Raises `Refused` (code `chart_fails`) where the engine does not evaluate one, and where one calls
    what only Argo CD has.
    """
    if not any("{{" in one for one in templates):
        return tuple(templates)
    for one in templates:
        if word := needs_argo_cd(one):
            raise Refused(
                f"A template calls {word}, which only Argo CD has: only the hub can confirm.",
                code="chart_fails",
            )
    data = {"templates": list(templates), "parameters": parameters}
    (found,) = render(_FILLING_CHART, [json.dumps(data).encode()])
    return tuple(json.loads(found["filled"]))


def chart_files(snapshot: Snapshot, folder: str) -> dict[str, bytes]:
    """A chart of the repository, its dependencies of the same repository in place: path in it -> content.

    `file://` dependencies are put below `charts/`, as `helm dependency build` does it; others are
    there only where the repository carries them. Raises `Refused` where the folder is no chart.
    """
    files = _files(snapshot, folder)
    if "Chart.yaml" not in files:
        raise Refused(f"{folder} is no chart of this repository.", code="chart_fails")
    for number, (name, where) in enumerate(_local_dependencies(snapshot, folder)):
        if any(path.startswith(f"charts/{name}-{number}/") for path in files):
            continue
        for path, content in _files(snapshot, where).items():
            files[f"charts/{name}-{number}/{path}"] = content
    files.pop("Chart.lock", None)
    return files


def _files(snapshot: Snapshot, folder: str) -> dict[str, bytes]:
    found = (snapshot.read(path) for path in snapshot.paths(folder.strip("/")))
    length = len(folder.strip("/")) + 1
    return {file.path[length:]: file.content for file in found if file}


def _local_dependencies(snapshot: Snapshot, folder: str) -> list[tuple[str, str]]:
    """Name and folder of each dependency that lies in this repository."""
    file = snapshot.read(f"{folder.strip('/')}/Chart.yaml")
    chart = located_map(file).value if file else None
    listed = chart.get("dependencies") if isinstance(chart, dict) else None
    found: list[tuple[str, str]] = []
    for one in listed if isinstance(listed, list) else ():
        repository = str(one.get("repository", "")) if isinstance(one, dict) else ""
        if not repository.startswith("file://"):
            continue
        parts: list[str] = []
        for part in (PurePosixPath(folder.strip("/")) / repository[len("file://") :]).parts:
            if part != "..":
                parts.append(part)
            elif parts:
                parts.pop()
        found.append((str(one.get("name", "")), "/".join(parts)))
    if len(found) > _MOST_DEPENDENCIES:
        raise Refused(f"{folder} has too many dependencies.", code="chart_fails")
    return found
