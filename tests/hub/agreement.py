"""Generated commits on the real hub: what its controllers make of each cluster."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.agreement.facts import ClusterFacts, differences
from tests.agreement.predicted import Step, steps
from tests.agreement.rendered import GROUPS, Checkout, application, known
from tests.agreement.situations import PROBE, TENANTS, Commit
from tests.hub.fleet import TENANTS as BOOTSTRAPPED
from tests.hub.fleet import TOLD_AGAIN_AFTER, Fleet, bootstrap_manifests
from tests.hub.harness import Hub, Spoke, eventually
from tests.hub.kube import KubeError, Manifest
from tests.hub.processes import NotReady
from tests.template.helm import Helm

OWN_MARK = "reconcile.external-secrets.io/"
SECONDS = 240.0
UNANSWERED = ""
QUIET = 3.0
"""How long nothing may change after everything is as predicted."""


class Replay:
    """A commit, and the one that follows it, delivered to a fresh fleet, and the facts that its hub shows.

    The clusters' API servers do not exist: which Applications there are, and of what, does not hang
    on them. One cluster of each commit is real, and gets what its Applications deploy.
    """

    def __init__(self, fleet: Fleet, commit: Commit, helm: Helm) -> None:
        self._fleet, self._hub = fleet, fleet.hub
        self._joined, self._changed = steps(commit, fleet.url)
        self._step = self._joined
        self._checkout = Checkout(helm, fleet.folder / "joined")
        self._checkout.write(self._joined.contents)
        self._later = Checkout(helm, fleet.folder / "changed")
        self._later.write(self._changed.contents)
        self._delivered = self._real_cluster()
        self.told_again = 0

    @property
    def applications(self) -> int:
        """How many Applications are predicted for this hub, in both commits together."""
        return sum(
            key[1] == "hub"
            for step in (self._joined, self._changed)
            for facts in step.facts.values()
            for key in facts.applications
        )

    def run(self) -> dict[str, list[str]]:
        """Delivers both commits and returns the differences by cluster, of the first that has some."""
        self._prepare()
        commit = self._deliver(self._joined)
        self._tell()
        if found := self._settled() or self._delivered_differences(commit):
            return found
        self._step, self._checkout = self._changed, self._later
        self._deliver(self._changed)
        # Who is rewritten looks by itself; see the product's `who_looks`.
        self._tell(one for one in self._step.facts if not self._is_rewritten(one))
        return self._settled()

    def _is_rewritten(self, cluster: str) -> bool:
        path = self._fleet.member_path(cluster)
        return self._joined.contents.get(path) != self._changed.contents.get(path)

    def _tell(self, registered: Iterable[str] = ()) -> None:
        """Tells to look at Git: who finds members and releases, and clusters that are registered."""
        self._fleet.refresh_set()
        for group in GROUPS:
            self._fleet.refresh(f"bootstrap-{group}-{self._fleet.name}")
        for cluster in registered:
            self._fleet.refresh(f"fleet-secret-{cluster}")

    def _deliver(self, step: Step) -> str:
        return self._fleet.commit(
            {
                path: content.decode()
                for path, content in step.contents.items()
                if not self._is_there(path, content)
            }
        )

    def _is_there(self, path: str, content: bytes) -> bool:
        file = self._fleet.work / path
        return file.is_file() and file.read_bytes() == content

    def _expected(self, cluster: str) -> ClusterFacts:
        """What shall be on this hub; what a spoke's own Argo CD does is not to be seen here."""
        facts = self._step.facts[cluster]
        made = {key: one for key, one in facts.applications.items() if key[1] == "hub"}
        return replace(facts, applications=made)

    # Before

    def _real_cluster(self) -> Spoke | None:
        """The first cluster that gets a probe; none that is handed over, for it gets nothing by itself."""
        for cluster in self._joined.facts:
            expected = self._expected(cluster)
            probed = any(
                (one.component, one.chart) == ("probe", PROBE)
                for one in expected.applications.values()
            )
            if probed and "fleet_handover" not in expected.labels:
                return self._hub.new_spoke(cluster)
        return None

    def _prepare(self) -> None:
        """What is there before people join a cluster: credentials, and each tenant's project."""
        for number, cluster in enumerate(self._joined.facts):
            nobody = {
                "server": f"https://127.1.{number // 250}.{number % 250 + 1}:9",
                "config": "{}",
            }
            spoke = self._delivered
            real = spoke is not None and spoke.name == cluster
            self._hub.store_credentials(
                f"fleet/{cluster}", spoke.credentials if spoke and real else nobody
            )
        project = next(
            each
            for each in bootstrap_manifests(self._fleet)
            if each["kind"] == "AppProject" and each["metadata"]["name"] == BOOTSTRAPPED[0]
        )
        for tenant in TENANTS:
            own = copy.deepcopy(project)
            own["metadata"]["name"] = tenant
            self._hub.kube.apply(own)

    # Afterwards

    def _settled(self) -> dict[str, list[str]]:
        """The differences when there are none any more, or when the time is over."""
        told = time.monotonic()
        deadline = told + SECONDS
        while (found := self._differences()) and time.monotonic() < deadline:
            if UNANSWERED not in found and time.monotonic() > told + TOLD_AGAIN_AFTER:
                self._tell(each for each in found if self._is_registered(each))
                told = time.monotonic()
                self.told_again += 1
            time.sleep(2)
        if not found:
            time.sleep(QUIET)
            found = self._differences()
        if UNANSWERED in found:
            raise NotReady(f"the hub does not answer: {found[UNANSWERED]}")
        return {
            cluster: [*lines, self._fleet.describe(f"fleet-secret-{cluster}")]
            for cluster, lines in found.items()
        }

    def _is_registered(self, cluster: str) -> bool:
        return self._fleet.application(f"fleet-secret-{cluster}") is not None

    def _differences(self) -> dict[str, list[str]]:
        try:
            seen = _Seen.of(self._hub)
        except KubeError as error:
            # A busy API server is no answer: not yet.
            return {UNANSWERED: [str(error)]}
        said = {
            cluster: differences(self._expected(cluster), seen.facts(cluster, self._checkout))
            for cluster in self._step.facts
        }
        return {cluster: lines for cluster, lines in said.items() if lines}

    def _delivered_differences(self, commit: str) -> dict[str, list[str]]:
        """On the one cluster that is real: the values that the probe's own template saw there."""
        spoke = self._delivered
        if spoke is None:
            return {}
        (probe,) = [
            one
            for one in self._expected(spoke.name).applications.values()
            if one.component == "probe"
        ]
        self._fleet.wait_synced(probe.name, commit, 120)
        found = eventually(
            lambda: self._hub.spoke_kube.get("ConfigMap", "probe", probe.namespace),
            "the probe is on the spoke",
        )
        seen = replace(probe, values=json.loads(found["data"]["values"]))
        key = (probe.name, "hub")
        lines = differences(
            ClusterFacts(applications={key: probe}), ClusterFacts(applications={key: seen})
        )
        return {spoke.name: lines} if lines else {}


@dataclass(frozen=True)
class _Seen:
    """What the hub has at one moment: Applications of each cluster by name, and cluster secrets."""

    applications: Mapping[str, Mapping[str, Manifest]]
    secrets: Mapping[str, Manifest]

    @classmethod
    def of(cls, hub: Hub) -> _Seen:
        """Asks the hub's API server; raises KubeError where it does not answer."""
        applications: dict[str, dict[str, Manifest]] = {}
        for one in hub.kube.list("Application"):
            cluster = one["metadata"].get("labels", {}).get("fleet/cluster", "")
            applications.setdefault(cluster, {})[one["metadata"]["name"]] = one
        secrets = hub.kube.list("Secret", labels={"argocd.argoproj.io/secret-type": "cluster"})
        return cls(applications, {one["metadata"]["name"]: one for one in secrets})

    def facts(self, cluster: str, checkout: Checkout) -> ClusterFacts:
        """The facts of one cluster."""
        secret = self.secrets.get(f"cluster-{cluster}")
        if secret is None:
            return ClusterFacts(refused=self._refusal(cluster))
        metadata = secret["metadata"]
        # One that is being deleted waits for a cluster that cannot be reached; it is as good as gone.
        made = {
            name: one
            for name, one in self.applications.get(cluster, {}).items()
            if name != f"fleet-secret-{cluster}" and "deletionTimestamp" not in one["metadata"]
        }
        return ClusterFacts(
            labels=_without_marks(metadata.get("labels", {})),
            annotations=known(_without_marks(metadata.get("annotations", {}))),
            applications={
                (name, "hub"): application(checkout, _spec(one), "hub")
                for name, one in made.items()
            },
        )

    def _refusal(self, cluster: str) -> str:
        """Why a cluster has no secret, in the chart's words; "" while nobody has said so yet."""
        found = self.applications.get(cluster, {}).get(f"fleet-secret-{cluster}", {})
        conditions = found.get("status", {}).get("conditions") or []
        return "; ".join(one["message"] for one in conditions if one["type"] == "ComparisonError")


def _spec(found: Manifest) -> dict[str, Any]:
    """An Application as `rendered.application` takes it."""
    metadata, spec = found["metadata"], found["spec"]
    return {**spec, "name": metadata["name"], "labels": metadata["labels"]}


def _without_marks(found: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations without those that the operator adds for itself."""
    return {key: value for key, value in found.items() if not key.startswith(OWN_MARK)}
