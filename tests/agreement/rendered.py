"""The other side, without a hub: real `helm template` of the fleet's charts at the same commit.

What Helm cannot do is done here, strictly and without the product's code: which clusters a
selector takes, and how the registration ApplicationSet puts its Application together. Go templates
are filled in by Helm, too.
"""

from __future__ import annotations

import itertools
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.agreement.facts import REGION, REVISION, URL, Application, ClusterFacts
from tests.template.helm import Helm, RenderFailed, applications, load_all

HERE = Path(__file__).parent
GROUPS = ("addons", "resources", "monitoring", "fleet")
MEMBER_KEYS = (
    "clusterName", "tenant", "environment", "secretManagerSecretName", "use_remote_argo",
    "enable_remote_addons", "enable_remote_resources", "use_external_secrets",
    "addons_repo_basepath", "resources_repo_basepath", "githubSecret", "githubSecretName",
    "use_fleet_ack", "use_argocd_ingress", "push_argo_secrets", "handover", "offboarding",
)  # fmt: skip
LITERAL = re.compile(r'\{\{ "([^"\\]*)" \}\}')
UNKNOWN_RELEASE = "charts/unknown-release"

_ApplicationSet = Mapping[str, Any]


@dataclass(frozen=True)
class Cluster:
    """A cluster secret as an ApplicationSet's cluster generator sees it."""

    name: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    @property
    def parameters(self) -> dict[str, Any]:
        """What the generator gives to an ApplicationSet's templates."""
        metadata = {"labels": dict(self.labels), "annotations": dict(self.annotations)}
        return {"name": self.name, "metadata": metadata}


@dataclass
class Checkout:
    """The fleet repository at one commit, in a folder, and Helm to render it."""

    helm: Helm
    folder: Path
    url: str = URL
    revision: str = REVISION
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _values: dict[str, Any] = field(default_factory=dict)

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Makes the folder hold these files, and builds what Argo CD would build."""
        for path, content in contents.items():
            file = self.folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.helm.run("dependency", "build", self.folder / "charts/release-channels")

    def render(
        self, chart: Path, files: Sequence[str], values: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """A chart with values files of the repository that exist, and inline values over them."""
        inline = self.folder / f".inline-{next(self._numbers)}.json"
        inline.write_text(json.dumps(values))
        arguments: list[str | Path] = ["template", "test", chart]
        for path in files:
            if (self.folder / path).is_file():
                arguments += ["--values", self.folder / path]
        return load_all(self.helm.run(*arguments, "--values", inline))

    def sets(self, group: str, scope: str) -> list[_ApplicationSet]:
        """The ApplicationSets of a group, as its bootstrap Application renders them."""
        files = [
            "addons/bootstrap/layout.yaml",
            f"addons/bootstrap/{group}.yaml",
            "fleet/bootstrap/versions/applicationSets.yaml",
        ]
        repository = {"url": self.url, "revision": self.revision}
        values = {"scope": scope, "repository": repository}
        return self.render(self.folder / "charts/release-channels", files, values)

    def register(self, member_path: str) -> Cluster:
        """The cluster secret of a member; raises RenderFailed where the chart refuses it."""
        member = yaml.safe_load((self.folder / member_path).read_text())
        name = Path(member_path).stem
        layout = yaml.safe_load((self.folder / "addons/bootstrap/layout.yaml").read_text())[
            "layout"
        ]
        names = {
            "base": member.get("addons_repo_basepath") or layout["bases"]["fleet"],
            "component": "fleet/fleet-secret",
            "tenant": member["tenant"],
            "environment": member["environment"],
            "cluster": name,
        }
        values = {
            "memberFile": name,
            "member": {key: member[key] for key in MEMBER_KEYS if key in member},
            "region": REGION,
        }
        files = [pattern.format(**names) for pattern in layout["valueFiles"]]
        (found,) = self.render(self.folder / "charts/fleet-secret", files, values)
        metadata = found["spec"]["target"]["template"]["metadata"]
        return Cluster(name, _literals(metadata["labels"]), _literals(metadata["annotations"]))

    def source_values(self, source: Mapping[str, Any]) -> Any:
        """What the templates of an Application's own chart see, as JSON."""
        helm = source["helm"]
        files = [path.removeprefix("$values/") for path in helm.get("valueFiles") or []]
        inline = helm.get("valuesObject") or {}
        key = json.dumps([source.get("path"), files, inline], sort_keys=True)
        if key not in self._values:
            (found,) = self.render(self._probe(source.get("path")), files, inline)
            values = json.loads(found["data"]["values"])
            # What a null removes in a chart that is elsewhere cannot be seen here.
            self._values[key] = values if source.get("path") else _without_removing(values)
        return self._values[key]

    def _probe(self, path: str | None) -> Path:
        """A chart with its own values, whose only template shows them all."""
        probe = self.folder / ".probes" / (path or "outside")
        if not probe.exists():
            (probe / "templates").mkdir(parents=True)
            shutil.copy(HERE / "probe/Chart.yaml", probe)
            shutil.copy(HERE / "probe/templates/values.yaml", probe / "templates")
            if path:
                shutil.copy(self.folder / path / "values.yaml", probe)
        return probe


def _literals(found: Mapping[str, str]) -> dict[str, str]:
    """What the operator's template engine makes of literals; there is nothing else in there."""
    literals = {key: LITERAL.fullmatch(value) for key, value in found.items()}
    return {key: match[1] for key, match in literals.items() if match is not None}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Kubernetes' label selector, of the operators that the fleet uses; anything else is an error."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for one in selector.get("matchExpressions") or ():
        key, operator, values = one["key"], one["operator"], one.get("values")
        held = {
            "In": lambda key=key, values=values: key in labels and labels[key] in values,
            "NotIn": lambda key=key, values=values: labels.get(key) not in values,
            "Exists": lambda key=key: key in labels,
        }[operator]()
        if not held:
            return False
    return True


@dataclass(frozen=True)
class Rendered:
    """All ApplicationSets of one commit: the hub's, and those of a spoke's own Argo CD."""

    checkout: Checkout
    hub: tuple[_ApplicationSet, ...]
    spoke: Mapping[str, tuple[_ApplicationSet, ...]]

    @classmethod
    def of(cls, checkout: Checkout) -> Rendered:
        """Renders every group in both scopes."""
        return cls(
            checkout,
            tuple(found for group in GROUPS for found in checkout.sets(group, "hub")),
            {group: tuple(checkout.sets(group, "spoke")) for group in ("addons", "resources")},
        )

    def facts(self, member_path: str, earlier: ClusterFacts | None = None) -> ClusterFacts:
        """What becomes of a member at this commit, of which there was `earlier`."""
        try:
            cluster = self.checkout.register(member_path)
        except RenderFailed as failed:
            # Argo CD leaves what is there.
            return earlier or ClusterFacts(refused=str(failed).strip())
        found = dict(self._applications(cluster, self.hub, "hub"))
        applications = {key: one for key, (one, _) in found.items()}
        sources = {one.component: source for one, source in found.values()}
        if sources.get("spoke-secret", {}).get("path") == UNKNOWN_RELEASE:
            kept = earlier.applications if earlier else {}
            applications |= {key: one for key, one in kept.items() if key[1] == "cluster"}
        elif own := self._own_cluster(cluster, sources):
            made = [
                each
                for group, sets in self.spoke.items()
                if own.labels.get(f"enable_remote_{group}") == "true"
                for each in sets
            ]
            applications |= {key: one for key, (one, _) in self._applications(own, made, "cluster")}
        return ClusterFacts(cluster.labels, known(cluster.annotations), applications)

    def _own_cluster(
        self, cluster: Cluster, sources: Mapping[str, Mapping[str, Any]]
    ) -> Cluster | None:
        """The spoke's own cluster secret, where the hub brings it and an Argo CD to read it."""
        if not {"argo-cd", "spoke-secret", "spoke-bootstrap"} <= sources.keys():
            return None
        source = sources["spoke-secret"]
        files = [path.removeprefix("$values/") for path in source["helm"]["valueFiles"]]
        chart = self.checkout.folder / source["path"]
        (secret,) = self.checkout.render(chart, files, source["helm"]["valuesObject"])
        metadata = secret["metadata"]
        return Cluster(secret["stringData"]["name"], metadata["labels"], metadata["annotations"])

    def _applications(
        self, cluster: Cluster, sets: Sequence[_ApplicationSet], by: str
    ) -> Iterator[tuple[tuple[str, str], tuple[Application, Mapping[str, Any]]]]:
        taken = [found for found in sets if _takes(found, cluster.labels)]
        for found in applications(self.checkout.helm, taken, cluster.parameters):
            spec = {**found["spec"], **found["metadata"]}
            one = application(self.checkout, spec, by)
            yield (one.name, by), (one, spec["sources"][0])


def _takes(found: _ApplicationSet, labels: Mapping[str, str]) -> bool:
    """Whether the one generator of a set takes a cluster: never two, for each is listed by itself."""
    (generator,) = found["spec"]["generators"]
    return matches(generator["clusters"]["selector"], labels)


def _without_removing(values: Any) -> Any:
    """Maps without the nulls that would remove something; a list has none such."""
    if not isinstance(values, Mapping):
        return values
    return {key: _without_removing(value) for key, value in values.items() if value is not None}


def known(annotations: Mapping[str, str]) -> dict[str, str]:
    """Annotations without the hub's own region, which is not in Git."""
    return {key: value for key, value in annotations.items() if key != "fleet_aws_region"}


def application(checkout: Checkout, spec: Mapping[str, Any], by: str) -> Application:
    """The facts of an Application's spec, with its `name` and `labels` beside it."""
    source = spec["sources"][0]
    return Application(
        name=spec["name"],
        component=spec["labels"]["fleet/component"],
        group=spec["labels"]["fleet/group"],
        version=_version(checkout, source),
        destination=spec["destination"]["name"],
        namespace=spec["destination"]["namespace"],
        project=spec["project"],
        chart=source.get("path") or source["chart"],
        repo_url="" if source.get("path") else source["repoURL"],
        deployed_by=by,
        values=None if source.get("path") == UNKNOWN_RELEASE else checkout.source_values(source),
    )


def _version(checkout: Checkout, source: Mapping[str, Any]) -> str:
    if not source.get("path"):
        return str(source["targetRevision"])
    chart = yaml.safe_load((checkout.folder / source["path"] / "Chart.yaml").read_text())
    return str(chart["version"])
