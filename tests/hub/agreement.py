"""One generated commit on the real hub: what its controllers make of each cluster."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from onboarding.domain.planner import Plan
from tests.agreement import predicted
from tests.agreement.facts import ClusterFacts, differences
from tests.agreement.offline import checkout
from tests.agreement.rendered import GROUPS, application, known
from tests.agreement.situations import PROBE, TENANTS, Commit
from tests.hub.fleet import TENANTS as BOOTSTRAPPED
from tests.hub.fleet import Fleet, bootstrap_manifests
from tests.hub.harness import Spoke, eventually
from tests.hub.kube import Manifest
from tests.template.helm import Helm

OWN_MARK = "reconcile.external-secrets.io/"
SECONDS = 240.0
QUIET = 3.0
"""How long nothing may change after everything is as predicted."""


class Replay:
    """A commit delivered to a fresh fleet, and the facts that its hub then shows.

    The clusters' API servers do not exist: which Applications there are, and of what, does not hang
    on them. One cluster of each commit is real, and gets what its Applications deploy.
    """

    def __init__(self, fleet: Fleet, commit: Commit, helm: Helm) -> None:
        self._fleet, self._hub = fleet, fleet.hub
        self.checkout, self.plans = checkout(commit, helm, fleet.folder / "checkout")
        self._before = predicted.before(commit)
        self._expected = {self._name(plan): self._predict(plan) for plan in self.plans}
        self.delivered = self._real_cluster()
        self._commit = ""

    @property
    def applications(self) -> int:
        """How many Applications are predicted for this hub."""
        return sum(len(facts.applications) for facts in self._expected.values())

    def run(self) -> dict[str, list[str]]:
        """Commits, waits until the hub has done all, and returns the differences by cluster."""
        self._prepare()
        self._commit = self._fleet.commit(
            {
                path: content.decode()
                for path, content in self._contents().items()
                if not self._is_there(path, content)
            }
        )
        self._fleet.refresh_set()
        for group in GROUPS:
            self._fleet.refresh(f"bootstrap-{group}-{self._fleet.name}")
        return self._settled()

    # Before

    def _name(self, plan: Plan) -> str:
        return str(plan.intent.placement.cluster)

    def _predict(self, plan: Plan) -> ClusterFacts:
        """What shall be on this hub; what a spoke's own Argo CD does is not to be seen here."""
        facts = predicted.facts(plan, self._before, self._fleet.url)
        made = {key: one for key, one in facts.applications.items() if key[1] == "hub"}
        return replace(facts, applications=made)

    def _real_cluster(self) -> Spoke | None:
        for cluster, facts in self._expected.items():
            if any(
                one.component == "probe" and one.chart == PROBE
                for one in facts.applications.values()
            ):
                return self._hub.new_spoke(cluster)
        return None

    def _prepare(self) -> None:
        """What is there before people join a cluster: credentials, and each tenant's project."""
        for number, cluster in enumerate(self._expected):
            nobody = {
                "server": f"https://127.1.{number // 250}.{number % 250 + 1}:9",
                "config": "{}",
            }
            spoke = self.delivered
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

    def _contents(self) -> Mapping[str, bytes]:
        edits = {edit.path: edit.after.encode() for plan in self.plans for edit in plan.edits}
        return {**self._before.contents, **edits}

    def _is_there(self, path: str, content: bytes) -> bool:
        file = self._fleet.work / path
        return file.is_file() and file.read_bytes() == content

    # Afterwards

    def _settled(self) -> dict[str, list[str]]:
        """The differences when there are none any more, or when the time is over."""
        deadline = time.monotonic() + SECONDS
        while (found := self._differences()) and time.monotonic() < deadline:
            time.sleep(1)
        if not found:
            time.sleep(QUIET)
            found = self._differences()
        return found or self._delivered_differences()

    def _differences(self) -> dict[str, list[str]]:
        said = {
            cluster: differences(expected, self._facts(cluster))
            for cluster, expected in self._expected.items()
        }
        return {cluster: lines for cluster, lines in said.items() if lines}

    def _facts(self, cluster: str) -> ClusterFacts:
        """What the hub has of a cluster."""
        secret = self._fleet.cluster_secret(cluster)
        if secret is None:
            return ClusterFacts(refused=self._refusal(cluster))
        metadata = secret["metadata"]
        found = self._hub.kube.list("Application", labels={"fleet/cluster": cluster})
        made = [one for one in found if one["metadata"]["name"] != f"fleet-secret-{cluster}"]
        return ClusterFacts(
            labels=_without_marks(metadata.get("labels", {})),
            annotations=known(_without_marks(metadata.get("annotations", {}))),
            applications={
                (one["metadata"]["name"], "hub"): application(self.checkout, _spec(one), "hub")
                for one in made
            },
        )

    def _refusal(self, cluster: str) -> str:
        """Why a cluster has no secret, in the chart's words; "" while nobody has said so yet."""
        found = self._fleet.application(f"fleet-secret-{cluster}") or {}
        conditions = found.get("status", {}).get("conditions") or []
        errors = [one["message"] for one in conditions if one["type"] == "ComparisonError"]
        return "; ".join(errors)

    def _delivered_differences(self) -> dict[str, list[str]]:
        """On the one cluster that is real: the values that the probe's own template saw there."""
        spoke = self.delivered
        if spoke is None:
            return {}
        (probe,) = [
            one
            for one in self._expected[spoke.name].applications.values()
            if one.component == "probe"
        ]
        self._fleet.wait_synced(probe.name, self._commit, 120)
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


def _spec(found: Manifest) -> dict[str, Any]:
    """An Application as `rendered.application` takes it."""
    metadata, spec = found["metadata"], found["spec"]
    return {**spec, "name": metadata["name"], "labels": metadata["labels"]}


def _without_marks(found: Mapping[str, str]) -> dict[str, str]:
    """Labels or annotations without those that the operator adds for itself."""
    return {key: value for key, value in found.items() if not key.startswith(OWN_MARK)}
