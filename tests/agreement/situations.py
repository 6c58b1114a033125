"""Generated situations: what a fleet repository may hold, and what people ask of it, from a seed.

Pure: the same seed gives the same commits. One commit is a set of files that its clusters share
(values layers, release channels) and at least one cluster, each with an intent and files of its
own. Scalars are kept as they are written, so that what Go reads differently stays as it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from onboarding.domain.layout import Placement
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.planner import EditCluster, RegisterCluster

# A values tree as it is written: a leaf is the source text of a scalar.
Node: TypeAlias = "Tree | list[Tree] | list[str] | str"
Tree: TypeAlias = dict[str, Node]

HUB = "hub"
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
PROBE = "charts/probe"
LABELS = "fleet/fleet-secret"
TENANTS = ("tenant1", "tenant2", "tenant3")
ENVIRONMENTS = ("dev", "staging", "prod")
BASES = ("", "", "", "", "teams/blue", "addons")
CLUSTERS_PER_COMMIT = 20

# Components that come from a chart repository: nothing renders them here.
OUTSIDE = {
    "addons": (
        "aws-ebs-csi-driver",
        "aws-load-balancer-controller",
        "cert-manager",
        "karpenter",
        "metrics-server",
    ),
    "monitoring": ("kube-prometheus-stack",),
    "fleet": ("argo-cd", "external-secrets"),
}
NEWER = {"addons": ("external-dns",)}
COMPONENTS = {
    "addons": ("cluster-info", "probe", "metrics-server"),
    "resources": ("namespace-baseline", "quota-defaults", "reader-role", "resource-probe"),
    "monitoring": ("monitoring-settings", "monitoring-probe"),
}
FLAGS = (
    *(f"enable_{name.replace('-', '_')}" for names in COMPONENTS.values() for name in names),
    "enable_external_dns",
    "enable_nothing",
)
CHANNELS = {
    "addonsRelease": ("default", "release1", "canary"),
    "resourcesRelease": ("default", "release1"),
    "monitoringRelease": ("default",),
    "fleetRelease": ("default", "release1"),
}

# Scalars as people write them, among them all that Go reads otherwise than others do.
SCALARS = (
    "plain", '"quoted"', "'single'", "~", "null", '""', "yes", "No", "on", "y", "n", "True",
    "012", "0o14", "0x1F", "0b11", "1_000", "1e3", "1.50", "-0", ".5", "+1", "3000000",
    "9007199254740993", "2024-01-01", "12:30:00", '"012"', '"yes"', '"{{ .config }}"', '"é ☂"',
    "[]", "{}", '[1, "x", ~, {a: 012, b: ~}]', "[yes, 0x1F]", "{a: 1, b: ~}", "|-\n  two\n  lines",
)  # fmt: skip
KEYS = ("text", "number", "nested", "list", "nothing", "gone", "other", "012", "yes", '"quoted"')

# What no label may be, each with what is wrong.
BAD_LABELS: Mapping[str, str] = {
    "enable_probe": "true",
    "team": "012",
    "colour": '"two words"',
    "size": "[large]",
    "shape": "{}",
    "taken": '"{{ .config }}"',
    "long": f'"{"x" * 64}"',
    "tenant": '"other"',
    "fleet_member": '"hub-cluster"',
    "argocd.argoproj.io/secret-type": '"repository"',
    "sub.kubernetes.io/x": '"y"',
    "fleet/group": '"addons"',
    '"bad key"': '"x"',
    "ends-": '"x"',
    "a/b/c": '"x"',
}


@dataclass(frozen=True)
class Situation:
    """One cluster that joins: what is asked for it, then of it, and its own files of the cluster layer."""

    intent: RegisterCluster
    files: Mapping[str, Tree] = field(default_factory=dict)
    then: EditCluster | None = None

    @property
    def cluster(self) -> str:
        """The cluster's name."""
        return str(self.intent.placement.cluster)


@dataclass(frozen=True)
class Commit:
    """Files that are laid over the template, and the clusters that join with them."""

    seed: int
    files: Mapping[str, Tree]
    situations: tuple[Situation, ...]


def commits(seed: int, situations: int, *, outside: bool) -> Iterator[Commit]:
    """Commits with this many situations together, none with fewer than 20 but by their number.

    `outside` leaves components that come from chart repositories as they are.
    """
    number = max(1, situations // CLUSTERS_PER_COMMIT)
    for position in range(number):
        extra = situations % CLUSTERS_PER_COMMIT if position == number - 1 else 0
        count = min(situations, CLUSTERS_PER_COMMIT + extra)
        yield _Generator(seed + position, outside=outside).commit(count)


def text(tree: Tree) -> str:
    """A file's text; what is empty is a comment."""
    return "\n".join(_lines(tree, "")) + "\n" if tree else "# Nothing is set here.\n"


def _lines(node: Node, pad: str) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, str):
                yield f"{pad}{key}: {value}".replace("\n", f"\n{pad}")
            elif value:
                yield f"{pad}{key}:"
                yield from _lines(value, pad + "  ")
            else:
                yield f"{pad}{key}: {'{}' if isinstance(value, dict) else '[]'}"
    elif isinstance(node, list):
        for item in node:
            first, *others = _lines(item, pad + "  ")
            yield f"{pad}- {first[len(pad) + 2 :]}"
            yield from others
    else:
        yield f"{pad}{node}"


def quoted(value: str) -> str:
    """Text in double quotes."""
    return f'"{value}"'


class _Generator:
    """Draws one commit."""

    def __init__(self, seed: int, *, outside: bool) -> None:
        self._seed = seed
        self._random = random.Random(seed)
        self._outside = outside

    def commit(self, count: int) -> Commit:
        files: dict[str, Tree] = {VERSIONS: {"releases": self._releases()}}
        bases = {"addons": ("addons", "teams/blue"), "resources": ("resources", "teams/blue")}
        for base in bases["addons"]:
            self._shared(files, base, LABELS, self._labels)
        for group, names in COMPONENTS.items():
            for base in bases.get(group, (group,)):
                for name in names:
                    self._shared(files, base, name, self._values)
        return Commit(self._seed, files, tuple(self._situation(number) for number in range(count)))

    def _chance(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    # Release channels

    def _releases(self) -> Tree:
        drawn: Tree = {}
        for label, channels in CHANNELS.items():
            group = label.removesuffix("Release")
            drawn[group] = [
                self._entry(group, channel)
                for channel in channels
                if channel == "default" or self._chance(85)
            ]
        return drawn

    def _entry(self, group: str, channel: str) -> Tree:
        newer = channel != "default" and group != "monitoring"
        entry: Tree = {
            "type": self._random.choice((channel, quoted(channel))),
            "version": "0.4.0" if newer else "0.3.1",
        }
        if newer or self._chance(50):
            entry["path"] = "charts/application-sets-0.4" if newer else "charts/application-sets"
        components: Tree = {}
        if not self._outside:
            local: Tree = {"path": PROBE, "repoURL": "~", "chart": "~", "version": "~"}
            for name in OUTSIDE.get(group, ()) + (NEWER.get(group, ()) if newer else ()):
                components[name] = {"source": dict(local)}
        for name in COMPONENTS.get(group, ()):
            if name.endswith("probe") and self._chance(85):
                components[name] = self._probe(group, name)
            elif self._chance(20) and name in ("cluster-info", "quota-defaults"):
                components[name] = self._random.choice(
                    ("~", {"namespace": "elsewhere", "values": self._map(2)})
                )
        if components:
            entry["values"] = {"components": components}
        return entry

    def _probe(self, group: str, name: str) -> Tree:
        drawn: Tree = {
            "group": group,
            "flag": f"enable_{name.replace('-', '_')}",
            "namespace": self._random.choice(("probe", "other")),
            "source": {"path": PROBE},
        }
        if self._chance(60):
            drawn["values"] = self._map(2)
        if self._chance(70):
            label = self._random.choice(("tenant", "addonsRelease", "team", "absent"))
            drawn["clusterValues"] = {
                "nested": {"cluster": "name", "environment": "environment"},
                "tier": f"labels.{label}",
                "note": f"annotations.{self._random.choice(('note', 'absent'))}",
            }
        if self._chance(20):
            drawn["layers"] = ["cluster-info", "probe"]
        return drawn

    # Values layers

    def _shared(
        self, files: dict[str, Tree], base: str, folder: str, draw: Callable[[], Tree]
    ) -> None:
        """Any of the four layers that clusters share."""
        paths = [f"{base}/defaults", f"{base}/tenants/defaults"]
        for tenant in TENANTS:
            paths.append(f"{base}/tenants/{tenant}/defaults")
            paths += [
                f"{base}/tenants/{tenant}/environments/{environment}"
                for environment in ENVIRONMENTS
            ]
        for path in paths:
            if self._chance(45):
                files[f"{path}/{folder}/values.yaml"] = draw()

    def _map(self, depth: int) -> Tree:
        drawn: Tree = {}
        for key in self._random.sample(KEYS, self._random.randrange(1, 5)):
            deeper = depth and (key == "nested" or self._chance(15))
            drawn[key] = self._map(depth - 1) if deeper else self._random.choice(SCALARS)
        return drawn

    def _values(self) -> Tree:
        return {} if self._chance(8) else self._map(3)

    def _labels(self, *, pinned: bool = False) -> Tree:
        labels: Tree = {}
        for label, channels in CHANNELS.items():
            if self._chance(60 if not pinned else 35):
                odd = self._chance(12)
                labels[label] = (
                    self._random.choice(('"unheard-of"', "~", '""'))
                    if odd
                    else quoted(self._random.choice(channels))
                )
        for flag in FLAGS:
            if self._chance(40 if not pinned else 20):
                labels[flag] = self._random.choice(('"true"', '"true"', '"true"', '"false"', "~"))
        if self._chance(30):
            labels[self._random.choice(("team", "example.com/tier", "012", "yes"))] = quoted(
                self._random.choice(("blue", "a.b_c", ""))
            )
        drawn: Tree = {"labels": labels}
        if self._chance(30):
            drawn["annotations"] = {"note": self._random.choice(('"two words, a comma"', "~"))}
        if self._chance(5):
            drawn = {"labels": self._random.choice(("~", {}))}
        return {} if self._chance(5) else {"externalSecret": drawn}

    # Clusters

    def _situation(self, number: int) -> Situation:
        tenant, environment = self._random.choice(TENANTS), self._random.choice(ENVIRONMENTS)
        cluster = f"spoke-{self._seed}-{number}"
        own_labels = self._own_labels() if self._chance(50) else None
        shape = own_labels.get("externalSecret") if own_labels else {}
        odd = not isinstance(shape, dict) or isinstance(shape.get("labels"), str)
        # Into a file of an odd shape the product writes no pin; it says so, and people mend it.
        intent = self._intent(cluster, tenant, environment, pins={} if odd else self._pins())
        bases = {"addons": intent.options.get("addons_repo_basepath") or "addons"}
        bases["resources"] = intent.options.get("resources_repo_basepath") or "resources"
        files: dict[str, Tree] = {}
        if own_labels is not None:
            own = f"tenants/{tenant}/clusters/{cluster}/{LABELS}/values.yaml"
            files[f"{bases['addons']}/{own}"] = own_labels
        for group, names in COMPONENTS.items():
            for name in names:
                if self._chance(25):
                    own = f"tenants/{tenant}/clusters/{cluster}/{name}/values.yaml"
                    files[f"{bases.get(group, group)}/{own}"] = self._values()
        return Situation(intent, files, self._edit(intent, can_pin=not odd))

    def _own_labels(self) -> Tree:
        drawn = self._labels(pinned=True)
        if self._chance(12):
            key = self._random.choice(list(BAD_LABELS))
            drawn = {"externalSecret": {"labels": {key: BAD_LABELS[key]}}}
        elif self._chance(4):
            drawn = {"externalSecret": self._random.choice(("~", "text", '""', "[]"))}
        elif self._chance(4):
            drawn = {"externalSecret": {"labels": self._random.choice(("[]", "text", "0", "[a]"))}}
        return drawn

    def _intent(
        self, cluster: str, tenant: str, environment: str, *, pins: dict[str, str | None]
    ) -> RegisterCluster:
        distributed = self._chance(40)
        return RegisterCluster(
            placement=Placement(
                HubName(HUB), ClusterName(cluster), TenantName(tenant), Environment(environment)
            ),
            secret_name=f"fleet/{cluster}",
            model=DeploymentModel.DISTRIBUTED if distributed else DeploymentModel.CENTRALIZED,
            remote_addons=distributed and self._chance(60),
            remote_resources=distributed and self._chance(60),
            options=self._options(),
            pins=pins,
        )

    def _edit(self, intent: RegisterCluster, *, can_pin: bool) -> EditCluster:
        """Something else for a cluster that has joined: its model, flags, channels or options."""
        acknowledged = intent.options.get("use_fleet_ack") == "true"
        options = {**intent.options, "use_fleet_ack": "false" if acknowledged else "true"}
        if self._chance(10):
            options["addons_repo_basepath"] = self._random.choice(("addons", "teams/blue"))
        distributed = intent.model is DeploymentModel.DISTRIBUTED
        remote = (intent.remote_addons, intent.remote_resources)
        if options.get("handover") == "true" and distributed:
            # Only while it is handed over, a group goes to another Argo CD.
            remote = (self._chance(50), self._chance(50))
        elif not any(remote):
            distributed = distributed is not self._chance(30)
        elif self._chance(20):
            options["handover"] = "true"
        pins = {**self._pins(), **{key: None for key in intent.pins if self._chance(40)}}
        return EditCluster(
            placement=intent.placement,
            secret_name=intent.secret_name,
            model=DeploymentModel.DISTRIBUTED if distributed else DeploymentModel.CENTRALIZED,
            remote_addons=remote[0],
            remote_resources=remote[1],
            options=options,
            pins=pins if can_pin else {},
        )

    def _options(self) -> dict[str, str]:
        options = {
            key: base
            for key in ("addons_repo_basepath", "resources_repo_basepath")
            if (base := self._random.choice(BASES))
        }
        for key in ("use_fleet_ack", "use_argocd_ingress", "push_argo_secrets"):
            if self._chance(20):
                options[key] = self._random.choice(("true", "false"))
        if self._chance(25):
            options["use_external_secrets"] = self._random.choice(("true", "false"))
        if self._chance(15):
            options["handover"] = "true"
        if self._chance(20):
            # Those credentials come by the operator, so that it must be on a distributed cluster.
            options |= {"githubSecret": "true", "githubSecretName": "git/read"}
            options.pop("use_external_secrets", None)
        return options

    def _pins(self) -> dict[str, str | None]:
        pins: dict[str, str | None] = {}
        for label in CHANNELS:
            if self._chance(25):
                pins[label] = "default"
        for flag in self._random.sample(FLAGS, self._random.randrange(0, 6)):
            pins[flag] = self._random.choice(("true", "true", "false"))
        if self._chance(15):
            pins["team"] = "red"
        return pins


def describe(commit: Commit, situation: Situation) -> str:
    """A situation as a person would write it down: what is asked, and every file that is there."""
    asked = {key: value for key, value in situation.intent.to_data().items() if value}
    files: Sequence[tuple[str, Tree]] = sorted({**commit.files, **situation.files}.items())
    written = "\n".join(f"--- {path}\n{text(tree)}" for path, tree in files)
    then = situation.then.to_data() if situation.then else None
    head = f"seed {commit.seed}, cluster {situation.cluster}, asked: {asked}, then: {then}"
    return f"{head}\n{written}"
