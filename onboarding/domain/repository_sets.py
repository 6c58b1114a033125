"""What the repository's own ApplicationSets make: their generators read here, their Go templates by the engine.

Only what a repository by itself can say is read: the hub's cluster as the cluster generator's one
element, files of this repository, lists. What only the hub knows (its labels and annotations) stands as a
mark in what comes out, and a path that begins with one is looked for by its end.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onboarding.domain.errors import Refused
from onboarding.domain.layout_detection.sets import SetText
from onboarding.domain.rendering import Render, chart_files, fill
from onboarding.domain.selectors import parse_selector
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.domain.yaml.parsed import located
from onboarding.domain.yaml.yamlread import load

Parameters = Mapping[str, Any]

_READ = re.compile(r"\.metadata\.(labels|annotations)\.([A-Za-z_]\w*)")
_LOOKED_UP = re.compile(r"(labels|annotations)[\"`')\s]*[\"`']([\w./-]+)[\"`']")
_MARK = re.compile(r"UNKNOWN_\w+?_UNKNOWN")
_MOST = 200


def mark(key: str) -> str:
    """What stands for a label or annotation of the hub's that is not known; plain in YAML and JSON."""
    return f"UNKNOWN_{re.sub(r'[^A-Za-z0-9]', '_', key)}_UNKNOWN"


def is_known(text: str) -> bool:
    """Whether a text holds nothing that only the hub knows."""
    return _MARK.search(text) is None


@dataclass(frozen=True, slots=True)
class RepositorySets:
    """The repository's ApplicationSets at one commit, evaluated for one hub by an engine."""

    snapshot: Snapshot
    paths: Sequence[str]
    hub: str
    render: Render

    def applications(self, text: SetText, *, only: str = "") -> Iterator[Mapping[str, Any]]:
        """The Applications that a set makes for the hub, as far as the repository can tell.

        `only` is the one file whose Applications are wanted. Raises `Refused` where it has a
        generator of another kind, or a template that cannot be evaluated here.
        """
        found = load(text.text, path=text.path)
        spec = found.get("spec") if isinstance(found, dict) else None
        if not isinstance(spec, dict) or spec.get("goTemplate") is not True:
            raise Refused(f"{text.label} has no Go templates.", code="not_evaluated")
        for one in _list(spec.get("generators")):
            for parameters in self._elements(one, self._hub(text.text), only):
                if not only or only in _read_from(parameters):
                    yield self._application(spec, parameters)

    def objects(self, application: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        """What an Application's charts of this repository render to; raises `Refused` where one does not."""
        spec = _map(application.get("spec"))
        sources = [_map(one) for one in _list(spec.get("sources")) or [spec.get("source")]]
        found: list[Mapping[str, Any]] = []
        for source in sources:
            if source.get("chart"):
                raise Refused(
                    f"The chart {source['chart']!s:.80} is not in this repository.",
                    code="not_evaluated",
                )
            if source.get("path"):
                found += self._rendered(source)
        return tuple(found)

    def value_files(self, application: Mapping[str, Any]) -> tuple[str, ...]:
        """The repository's values files that an Application looks for; none where only the hub knows one."""
        spec = _map(application.get("spec"))
        sources = [_map(one) for one in _list(spec.get("sources")) or [spec.get("source")]]
        named = [
            str(one).partition("/")[2]
            for source in sources
            for one in _list(_map(source.get("helm")).get("valueFiles"))
            if str(one).startswith("$")
        ]
        return tuple(named) if all(map(is_known, named)) else ()

    def chart_of(self, application: Mapping[str, Any]) -> str:
        """The first folder of the repository with a chart that an Application deploys; "" for none."""
        spec = _map(application.get("spec"))
        sources = [_map(one) for one in _list(spec.get("sources")) or [spec.get("source")]]
        folders = (self._folder(str(one["path"])) for one in sources if one.get("path"))
        return next((one for one in folders if one), "")

    def _hub(self, text: str) -> Parameters:
        """The hub's cluster as the cluster generator gives it, with marks for what is not known."""
        metadata: dict[str, dict[str, str]] = {"labels": {}, "annotations": {}}
        for kind, key in (*_READ.findall(text), *_LOOKED_UP.findall(text)):
            metadata[kind][key] = mark(key)
        metadata["labels"]["fleet_member"] = "hub-cluster"
        server = "https://kubernetes.default.svc"
        return {
            "name": self.hub,
            "nameNormalized": self.hub,
            "server": server,
            "project": "",
            "metadata": metadata,
        }

    def _elements(self, data: object, given: Parameters, only: str) -> list[Parameters]:
        generator = _map(data)
        if generator.get("selector"):
            raise _not_evaluated("a generator that selects by parameters")
        if "clusters" in generator:
            return self._clusters(_map(generator["clusters"]), given)
        if "git" in generator:
            return self._files(_map(generator["git"]), given, only)
        if "list" in generator:
            elements = _list(_map(generator["list"]).get("elements"))
            return [one for one in elements if isinstance(one, Mapping)]
        if "matrix" in generator:
            found: list[Parameters] = [{}]
            for child in _list(_map(generator["matrix"]).get("generators")):
                found = [
                    {**before, **more}
                    for before in found
                    for more in self._elements(child, {**given, **before}, only)
                ]
                if len(found) > _MOST:
                    raise _not_evaluated(f"more than {_MOST} elements")
            return found
        raise _not_evaluated(f"a generator of the kind {next(iter(generator), '?')}")

    def _clusters(self, data: Mapping[str, Any], given: Parameters) -> list[Parameters]:
        if not parse_selector(data.get("selector")).matches(given["metadata"]["labels"]):
            return []
        own = {key: given[key] for key in ("name", "nameNormalized", "server", "project")}
        hub = {**own, "metadata": given["metadata"]}
        values = _map(data.get("values"))
        filled = self._fill([str(one) for one in values.values()], hub)
        return [{**hub, "values": dict(zip(values, filled, strict=True))}] if values else [hub]

    def _files(self, data: Mapping[str, Any], given: Parameters, only: str) -> list[Parameters]:
        wanted = [_map(one) for one in _list(data.get("files"))]
        if not wanted:
            raise _not_evaluated("a Git generator that looks for folders")
        filled = self._fill([str(one.get("path", "")) for one in wanted], given)
        taken: dict[str, None] = {}
        for one, pattern in zip(wanted, filled, strict=True):
            if one.get("exclude") is not True:
                taken |= dict.fromkeys(self._matching(pattern))
        if only and only in taken:
            taken = {only: None}
        prefix = str(data.get("pathParamPrefix") or "")
        found: list[Parameters] = []
        for path in list(taken)[: _MOST + 1]:
            content = _content(self.snapshot.read(path))
            place = {"path": _place(path)}
            found.append({**content, **({prefix: place} if prefix else place)})
        return found

    def _matching(self, pattern: str) -> Iterator[str]:
        tail = _MARK.split(pattern)[-1].lstrip("/")
        pattern = f"*{tail}" if len(tail) < len(pattern) else tail
        return (path for path in self.paths if fnmatch.fnmatchcase(path, pattern))

    def _application(self, spec: Mapping[str, Any], parameters: Parameters) -> Mapping[str, Any]:
        template, patch = spec.get("template"), spec.get("templatePatch")
        texts = list(_texts(template))
        filled = iter(
            self._fill([*texts, *([patch] if isinstance(patch, str) else [])], parameters)
        )
        made = _map(_replaced(template, filled))
        if isinstance(patch, str):
            made = _merged(made, _map(load(next(filled), path="the templatePatch")))
        return made

    def _rendered(self, source: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        folder, helm = self._folder(str(source["path"])), _map(source.get("helm"))
        if not folder:
            return ()
        if helm.get("parameters") or helm.get("fileParameters"):
            raise _not_evaluated("values that are set one by one (helm.parameters)")
        layers = [self._layer(folder, str(one), helm) for one in _list(helm.get("valueFiles"))]
        inline = helm.get("valuesObject") or load(str(helm.get("values") or ""), path="helm.values")
        layers.append(json.dumps(inline if isinstance(inline, dict) else {}).encode())
        return self.render(chart_files(self.snapshot, folder), [one for one in layers if one])

    def _layer(self, folder: str, name: str, helm: Mapping[str, Any]) -> bytes:
        """The content of a values file; empty for one that may be missing and is."""
        path = name.partition("/")[2] if name.startswith("$") else f"{folder}/{name}"
        file = self.snapshot.read(self._found(path) or path)
        if file is None and helm.get("ignoreMissingValueFiles") is not True:
            raise Refused(f"The values file {path:.200} is not there.", code="not_evaluated")
        return file.content if file else b""

    def _folder(self, path: str) -> str:
        """The folder of the chart that a source's path means; "" where none of this repository has one."""
        found = self._found(f"{path.strip('/')}/Chart.yaml")
        return found.removesuffix("/Chart.yaml") if found and "/" in found else ""

    def _found(self, path: str) -> str:
        """The file that a path means: itself, or the shortest that ends as the path does after a mark."""
        if is_known(path):
            return path if self.snapshot.read(path) else ""
        tail = _MARK.split(path)[-1].lstrip("/")
        ends = (one for one in self.paths if one == tail or one.endswith(f"/{tail}"))
        return min(ends, key=len, default="") if tail else ""

    def _fill(self, templates: Sequence[str], parameters: Parameters) -> tuple[str, ...]:
        return fill(self.render, templates, parameters)


def _content(file: SnapshotFile | None) -> Mapping[str, Any]:
    return _map(located(file).value) if file else {}


def _place(path: str) -> dict[str, Any]:
    """The parameters that a Git generator gives of a file's path."""
    folder, _, name = path.rpartition("/")
    return {
        "path": folder,
        "basename": folder.rpartition("/")[2],
        "filename": name,
        "basenameNormalized": folder.rpartition("/")[2],
        "filenameNormalized": name,
        "segments": folder.split("/"),
    }


def _read_from(parameters: Parameters) -> set[str]:
    """The files that Git generators took parameters from."""
    plain, prefixed = _map(parameters.get("path")), (_map(one) for one in parameters.values())
    places = [
        one for one in (plain, *(_map(one.get("path")) for one in prefixed)) if "filename" in one
    ]
    return {f"{one['path']}/{one['filename']}".removeprefix("/") for one in places}


def _not_evaluated(what: str) -> Refused:
    return Refused(f"It has {what}, which is not evaluated here.", code="not_evaluated")


def _texts(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _replaced(node: object, filled: Iterator[str]) -> object:
    """The node with each text replaced by the next filled one, in the order of `_texts`."""
    if isinstance(node, Mapping):
        return {key: _replaced(value, filled) for key, value in node.items()}
    if isinstance(node, list):
        return [_replaced(value, filled) for value in node]
    return next(filled) if isinstance(node, str) else node


def _merged(into: Mapping[str, Any], patch: Mapping[str, Any]) -> Mapping[str, Any]:
    """A patch laid over an Application: maps are merged, all else is replaced, null takes away."""
    both = {**into}
    for key, value in patch.items():
        if value is None:
            both.pop(key, None)
        elif isinstance(value, Mapping) and isinstance(into.get(key), Mapping):
            both[key] = _merged(into[key], value)
        else:
            both[key] = value
    return both


def _map(data: object) -> Mapping[str, Any]:
    return data if isinstance(data, Mapping) else {}


def _list(data: object) -> list[Any]:
    return data if isinstance(data, list) else []
