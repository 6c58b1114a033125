"""A small fleet repository in memory, for the tests of what is computed from one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onboarding.domain.layout import Placement
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, SecretName, TenantName
from onboarding.domain.planner import EditCluster, RegisterCluster
from onboarding.domain.plans import blob_id
from onboarding.domain.snapshot import SnapshotFile

COMMIT = "c" * 40
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"
MEMBER = "fleet/fleet-bootstrap/fleet-members/hub-1/spoke-1.yaml"
PINS = "addons/tenants/team-a/clusters/spoke-1/fleet/fleet-secret/values.yaml"
TENANT_LABELS = "addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml"
SYSTEM_LABELS = "addons/defaults/fleet/fleet-secret/values.yaml"

MEMBER_TEXT = """\
# Owned by team-a.
tenant: "team-a"
clusterName: "spoke-1"  # as Terraform calls it
environment: "dev"
secretManagerSecretName: "fleet/spoke-1"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
costCentre: 4711
"""
FILES: Mapping[str, str] = {
    VERSIONS: """\
releases:
  addons:
    - type: "default"
      version: "0.3.1"
    - type: "release1"
      version: "0.4.0"
      values:
        components:
          metrics-server:
            source: {version: "3.13.0"}
  monitoring:
    - type: "default"
      version: "0.1.0"
""",
    "charts/application-sets/values.yaml": """\
components:
  metrics-server:
    group: addons
    flag: enable_metrics_server
    namespace: kube-system
    source: {repoURL: "https://charts.example/metrics", chart: metrics-server, version: "3.12.1"}
  cert-manager:
    group: addons
    flag: enable_cert_manager
    namespace: cert-manager
    source: {repoURL: "https://charts.example/jetstack", chart: cert-manager, version: "1.15.0"}
  prometheus:
    group: monitoring
    flag: enable_prometheus
    namespace: monitoring
    source: {repoURL: "https://charts.example/prom", chart: prometheus, version: "25.0.0"}
""",
    SYSTEM_LABELS: """\
externalSecret:
  labels:
    addonsRelease: "default"
    monitoringRelease: "default"
    enable_metrics_server: "true"
""",
}
REGISTERED: Mapping[str, str] = {**FILES, MEMBER: MEMBER_TEXT}


class Repository:
    """A snapshot that holds given texts."""

    def __init__(self, files: Mapping[str, str | bytes], commit: str = COMMIT) -> None:
        self.commit = commit
        self._files = {
            path: text.encode() if isinstance(text, str) else text for path, text in files.items()
        }

    def read(self, path: str) -> SnapshotFile | None:
        content = self._files.get(path)
        return None if content is None else SnapshotFile(path, blob_id(content), content)

    def paths(self, prefix: str = "") -> Iterable[str]:
        folder = f"{prefix}/" if prefix else ""
        return sorted(path for path in self._files if path.startswith(folder))


def placement(
    cluster: str = "spoke-1", tenant: str = "team-a", environment: str = "dev", hub: str = "hub-1"
) -> Placement:
    return Placement(
        HubName(hub), ClusterName(cluster), TenantName(tenant), Environment(environment)
    )


def register(**changed: object) -> RegisterCluster:
    values: dict[str, object] = {
        "placement": placement(),
        "secret_name": SecretName("fleet/spoke-1"),
        "model": DeploymentModel.CENTRALIZED,
    }
    return RegisterCluster(**{**values, **changed})  # type: ignore[arg-type]


def edit(**changed: object) -> EditCluster:
    values: dict[str, object] = {
        "placement": placement(),
        "secret_name": SecretName("fleet/spoke-1"),
        "model": DeploymentModel.CENTRALIZED,
    }
    return EditCluster(**{**values, **changed})  # type: ignore[arg-type]
