"""Helm as Argo CD runs it: the real command, on a copy of the fleet repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.hub import binaries

HERE = Path(__file__).parent


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """PyYAML, but for numbers as Go writes them: `3e+06`."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"-?[0-9]+(?:\.[0-9]+)?[eE][-+][0-9]+"),
    list("-0123456789"),
)


def load_all(text: str) -> list[dict[str, Any]]:
    """The documents that Helm printed."""
    return [found for found in yaml.load_all(text, Loader=_Loader) if found]


class HelmMissing(Exception):
    """No helm to render with; says how to have one."""


class RenderFailed(Exception):
    """Helm refused; carries what it said."""


def find_helm() -> Path:
    """The helm command: `FLEETUI_HELM`, a Helm 3 on PATH, from the cache, or built now with Go."""
    if named := os.environ.get("FLEETUI_HELM"):
        if not os.access(named, os.X_OK):
            raise HelmMissing(f"FLEETUI_HELM names {named}, which cannot be run.")
        return Path(named)
    on_path = shutil.which("helm")
    if on_path and _version(on_path).startswith("v3."):
        return Path(on_path)
    try:
        binaries.ensure("helm")
    except (binaries.GoMissing, binaries.BuildFailed) as problem:
        raise HelmMissing(
            f"The charts are not rendered: no Helm 3 is on PATH, and it cannot be built. {problem}"
        ) from problem
    return binaries.path("helm")


def _version(command: str) -> str:
    answer = subprocess.run(
        [command, "version", "--template", "{{.Version}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip()


@dataclass(frozen=True)
class Helm:
    """Runs helm with folders of its own, so that no configuration of the user plays a part."""

    command: Path
    home: Path

    def run(self, *arguments: str | Path) -> str:
        """What helm printed; raises RenderFailed with what it said on its error output."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "HELM_CACHE_HOME": str(self.home / "cache"),
            "HELM_CONFIG_HOME": str(self.home / "config"),
            "HELM_DATA_HOME": str(self.home / "data"),
        }
        done = subprocess.run(
            [str(self.command), *map(str, arguments)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RenderFailed(done.stderr + done.stdout)
        return done.stdout

    def template(
        self,
        chart: Path,
        *,
        values: Sequence[Path] = (),
        data: Mapping[str, Any] | None = None,
        scratch: Path | None = None,
    ) -> list[dict[str, Any]]:
        """The objects of a chart: values files lowest first, `data` over them, as in Argo CD."""
        arguments: list[str | Path] = ["template", "test", chart]
        for file in values:
            arguments += ["--values", file]
        if data is not None:
            inline = (scratch or self.home) / "inline.json"
            inline.write_text(json.dumps(data), encoding="utf-8")
            arguments += ["--values", inline]
        return load_all(self.run(*arguments))

    def fill(self, parameters: Mapping[str, Any], jobs: Sequence[Mapping[str, Any]]) -> list[str]:
        """Go templates filled in for one cluster, as the ApplicationSet controller does.

        `parameters` are the cluster's `name` and `metadata`; each job has the `values` of a
        generator, templates too, and the `templates` that read them. Gives the texts in order.
        """
        (found,) = self.template(HERE / "evaluate", data={"parameters": parameters, "jobs": jobs})
        filled: list[str] = json.loads(found["data"]["filled"])
        return filled


@dataclass(frozen=True)
class FleetCopy:
    """A copy of the fleet repository that a test may change and render."""

    folder: Path
    helm: Helm

    def path(self, relative: str) -> Path:
        """A file or folder of the copy."""
        return self.folder / relative

    def read(self, relative: str) -> Any:
        """The YAML document of one file."""
        return yaml.safe_load(self.path(relative).read_text(encoding="utf-8"))

    def write(self, relative: str, data: Any) -> None:
        """Writes one file of the copy, as YAML."""
        self.path(relative).parent.mkdir(parents=True, exist_ok=True)
        self.path(relative).write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")

    def build_dependencies(self) -> None:
        """What Argo CD does where a wrapper chart is not in the folder of the release channels."""
        shutil.rmtree(self.path("charts/release-channels/charts"), ignore_errors=True)
        self.path("charts/release-channels/Chart.lock").unlink(missing_ok=True)
        self.helm.run("dependency", "build", self.path("charts/release-channels"))

    def application_sets(self, group: str, *, scope: str = "hub") -> dict[str, dict[str, Any]]:
        """The ApplicationSets of one group by name, as the bootstrap Application renders them."""
        objects = self.helm.template(
            self.path("charts/release-channels"),
            values=[
                self.path("addons/bootstrap/layout.yaml"),
                self.path(f"addons/bootstrap/{group}.yaml"),
                self.path("fleet/bootstrap/versions/applicationSets.yaml"),
            ],
            data={
                "scope": scope,
                "repository": {"url": "https://git.example/fleet.git", "revision": "main"},
            },
        )
        assert {found["kind"] for found in objects} <= {"ApplicationSet"}
        return {found["metadata"]["name"]: found for found in objects}

    def layers(
        self, component: str, *, base: str, tenant: str, environment: str, cluster: str
    ) -> list[Path]:
        """The values files of a component that exist, lowest first, by the layout in the fleet."""
        files = []
        for pattern in self.read("addons/bootstrap/layout.yaml")["layout"]["valueFiles"]:
            names = {
                "base": base,
                "tenant": tenant,
                "environment": environment,
                "cluster": cluster,
                "component": component,
            }
            files.append(self.path(pattern.format(**names)))
        return [file for file in files if file.exists()]


def applications(
    helm: Helm, sets: Sequence[Mapping[str, Any]], parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The Applications that ApplicationSets make of a cluster that their one generator takes.

    Each is its set's template with `templatePatch` laid over it: maps are merged, lists replaced.
    """
    if not sets:
        return []
    jobs = [
        {
            "values": one["spec"]["generators"][0]["clusters"]["values"],
            "templates": [*_texts(one["spec"]["template"]), one["spec"]["templatePatch"]],
        }
        for one in sets
    ]
    filled, made = iter(helm.fill(parameters, jobs)), []
    for one in sets:
        plain = _replaced(one["spec"]["template"], filled)
        (patch,) = load_all(next(filled))
        made.append(merged(plain, patch))
    return made


def merged(into: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """A patch laid over an object; none of the fleet's removes a key."""
    both = {
        key: merged(into[key], value)
        if isinstance(value, Mapping) and isinstance(into.get(key), Mapping)
        else value
        for key, value in patch.items()
    }
    return {**into, **both}


def without_nulls(values: Any) -> Any:
    """Maps without keys that have no value, as Kubernetes keeps an object."""
    if isinstance(values, list):
        return [without_nulls(value) for value in values]
    if not isinstance(values, Mapping):
        return values
    return {key: without_nulls(value) for key, value in values.items() if value is not None}


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield key
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _replaced(node: Any, filled: Iterator[str]) -> Any:
    """The node with each text replaced by the next filled one, in the order of `_texts`."""
    if isinstance(node, Mapping):
        return {next(filled): _replaced(value, filled) for value in node.values()}
    if isinstance(node, list):
        return [_replaced(value, filled) for value in node]
    return next(filled) if isinstance(node, str) else node
