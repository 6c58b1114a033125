"""What every hub shows the product, whether it is a real one or the demo's stand-in.

One set of tests for both: `tests/demo` runs it on the demo hub, `tests/hub` on the real one. They
see a hub as the product does, by its adapters, and change it as people do, by commits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from onboarding.ports import ArgoCD, HubKind, HubReader, RegisteredCluster

REGISTRATION = "fleet-hub-external-secrets"
LOOK = "argocd.argoproj.io/application-set-refresh"
TENANT, ENVIRONMENT = "tenant1", "prod"
LABELS = {
    "argocd.argoproj.io/secret-type": "cluster",
    "fleet_member": "spoke",
    "tenant": TENANT,
    "environment": ENVIRONMENT,
    "use_remote_argo": "false",
    "enable_remote_addons": "false",
    "enable_remote_resources": "false",
    "use_external_secrets": "false",
    "addonsRelease": "default",
    "resourcesRelease": "default",
    "monitoringRelease": "default",
    "fleetRelease": "default",
    "enable_cluster_info": "true",
    "enable_monitoring_settings": "true",
    "enable_namespace_baseline": "true",
    "enable_quota_defaults": "true",
}
COMPONENTS = {"cluster-info", "monitoring-settings", "namespace-baseline", "quota-defaults"}

Object = Mapping[str, Any]


class HubUnderTest(Protocol):
    """A hub with a fleet of the template's, and what people can do to both."""

    name: str
    reader: HubReader
    argocd: ArgoCD
    seconds: float

    def commit(self, files: Mapping[str, str | None]) -> str:
        """Write files (None removes one) into the fleet's repository; returns the commit."""
        ...

    def store_credentials(self, cluster: str) -> str:
        """Leave a cluster's credentials in Secrets Manager; returns its server."""
        ...


def member(cluster: str, **others: str) -> str:
    """A member file."""
    values = {
        "clusterName": cluster,
        "tenant": TENANT,
        "environment": ENVIRONMENT,
        "secretManagerSecretName": f"fleet/{cluster}",
        "use_remote_argo": "false",
        "enable_remote_addons": "false",
        "enable_remote_resources": "false",
        **others,
    }
    return "".join(f'{key}: "{value}"\n' for key, value in values.items())


def labels_file(cluster: str, base: str = "addons") -> str:
    """The path of a cluster's own labels."""
    return f"{base}/tenants/{TENANT}/clusters/{cluster}/fleet/fleet-secret/values.yaml"


def labels(**values: str) -> str:
    """A labels file."""
    lines = "".join(f'    {key}: "{value}"\n' for key, value in values.items())
    return f"externalSecret:\n  labels:\n{lines}"


class HubContract:
    """The tests; a class that inherits them has a fixture `hub_under_test`."""

    # What is on the hub

    def objects(self, hub: HubUnderTest, kind: HubKind) -> dict[str, Object]:
        """All objects of a kind by name, read page by page."""
        found: dict[str, Object] = {}
        token = ""
        while True:
            page = hub.reader.list_page(kind, limit=20, continue_token=token)
            found |= {one["metadata"]["name"]: one for one in page.items}
            token = page.continue_token
            if not token:
                return found

    def applications(self, hub: HubUnderTest, cluster: str) -> dict[str, Object]:
        """The Applications of a cluster's components, by component."""
        found = self.objects(hub, HubKind.APPLICATIONS).values()
        of = [
            one
            for one in found
            if one["metadata"].get("labels", {}).get("fleet/cluster") == cluster
        ]
        by = {one["metadata"]["labels"]["fleet/component"]: one for one in of}
        by.pop("fleet-secret", None)
        return by

    def registered(self, hub: HubUnderTest, cluster: str) -> RegisteredCluster | None:
        """A cluster as Argo CD's own API gives it."""
        return next((one for one in hub.argocd.clusters() if one.name == cluster), None)

    def eventually(self, hub: HubUnderTest, check: Callable[[], Any], what: str) -> Any:
        """The first true answer; fails with the last one when the hub takes too long."""
        deadline = time.monotonic() + hub.seconds
        while not (found := check()):
            assert time.monotonic() < deadline, f"{what}: not in {hub.seconds:.0f} s"
            time.sleep(0.2)
        return found

    def register(self, hub: HubUnderTest, cluster: str, own: str = "", **others: str) -> str:
        """Commit a member, with labels of its own where given, and have the hub look."""
        path = f"fleet/fleet-bootstrap/fleet-members/{hub.name}/{cluster}.yaml"
        files: dict[str, str | None] = {path: member(cluster, **others)}
        if own:
            files[labels_file(cluster, others.get("addons_repo_basepath", "addons"))] = own
        commit = hub.commit(files)
        hub.reader.ask_application_set_to_look(REGISTRATION)
        return commit

    def relabel(self, hub: HubUnderTest, cluster: str, own: str) -> None:
        """Commit a cluster's own labels, and have its registration look."""
        hub.commit({labels_file(cluster): own})
        hub.argocd.refresh_application(f"fleet-secret-{cluster}")

    def has_components(self, hub: HubUnderTest, cluster: str, wanted: set[str]) -> None:
        """Wait until a cluster has exactly these components."""
        self.eventually(
            hub,
            lambda: self.applications(hub, cluster).keys() == wanted,
            f"{cluster} has {sorted(wanted)}",
        )

    def error_of(self, hub: HubUnderTest, application: str) -> str:
        """What an Application says of its rendering."""
        found = self.objects(hub, HubKind.APPLICATIONS).get(application) or {}
        conditions = found.get("status", {}).get("conditions") or []
        return "; ".join(one["message"] for one in conditions if one["type"] == "ComparisonError")

    # The tests

    def test_it_registers_a_cluster(self, hub_under_test: HubUnderTest) -> None:
        hub = hub_under_test
        server = hub.store_credentials("spoke-1")
        commit = self.register(hub, "spoke-1")
        self.has_components(hub, "spoke-1", COMPONENTS)

        found = self.registered(hub, "spoke-1")
        assert found is not None
        assert found.server == server
        marks = {key for key in found.labels if key.startswith("reconcile.external-secrets.io/")}
        assert {key: found.labels[key] for key in found.labels.keys() - marks} == LABELS
        external = self.objects(hub, HubKind.EXTERNAL_SECRETS)["cluster-spoke-1"]
        assert external["metadata"]["labels"] == {
            **external["metadata"]["labels"],
            "fleet/cluster": "spoke-1",
            "fleet/tenant": TENANT,
            "fleet/environment": ENVIRONMENT,
        }
        (ready,) = external["status"]["conditions"]
        assert (ready["type"], ready["status"], ready["reason"]) == (
            "Ready",
            "True",
            "SecretSynced",
        )
        assert [one["remoteRef"]["key"] for one in external["spec"]["data"]] == [
            "fleet/spoke-1"
        ] * 2

        registration = self.objects(hub, HubKind.APPLICATIONS)["fleet-secret-spoke-1"]
        assert self.owner(registration) == REGISTRATION
        assert registration["metadata"]["labels"]["fleet/group"] == "fleet"
        self.eventually(
            hub,
            lambda: (
                commit
                in self.objects(hub, HubKind.APPLICATIONS)["fleet-secret-spoke-1"]["status"][
                    "sync"
                ].get("revisions", [])
            ),
            "the registration is compared with the commit",
        )

    def test_it_shows_an_application_as_the_fleet_describes_it(
        self, hub_under_test: HubUnderTest
    ) -> None:
        hub = hub_under_test
        hub.store_credentials("spoke-2")
        self.register(hub, "spoke-2", labels(addonsRelease="release1"))
        self.has_components(hub, "spoke-2", COMPONENTS)
        one = self.applications(hub, "spoke-2")["cluster-info"]
        # What is missing of this number would be an Application that is not watched.
        self.eventually(
            hub,
            lambda: (
                (found := self.registered(hub, "spoke-2")) and found.applications == len(COMPONENTS)
            ),
            "Argo CD counts its Applications",
        )

        assert one["metadata"]["name"] == "cluster-info-spoke-2"
        assert one["metadata"]["labels"] == {
            "fleet/group": "addons",
            "fleet/component": "cluster-info",
            "fleet/cluster": "spoke-2",
            "fleet/tenant": TENANT,
            "fleet/environment": ENVIRONMENT,
            "fleet/release": "release1",
        }
        assert self.owner(one) == "cluster-info"
        assert one["metadata"]["finalizers"] == ["resources-finalizer.argocd.argoproj.io"]
        spec = one["spec"]
        assert spec["project"] == TENANT
        assert spec["destination"] == {"name": "spoke-2", "namespace": "cluster-info"}
        chart, values = spec["sources"]
        assert (chart["path"], chart["helm"]["releaseName"]) == (
            "charts/cluster-info",
            "cluster-info",
        )
        assert chart["helm"]["valueFiles"] == [
            "$values/addons/defaults/cluster-info/values.yaml",
            "$values/addons/tenants/defaults/cluster-info/values.yaml",
            "$values/addons/tenants/tenant1/defaults/cluster-info/values.yaml",
            "$values/addons/tenants/tenant1/environments/prod/cluster-info/values.yaml",
            "$values/addons/tenants/tenant1/clusters/spoke-2/cluster-info/values.yaml",
        ]
        assert chart["helm"]["valuesObject"] == {
            "catalogueVersion": "0.4.0",
            "showRelease": True,
            "cluster": "spoke-2",
            "tenant": TENANT,
            "environment": ENVIRONMENT,
            "release": "release1",
        }
        assert values == {
            "repoURL": chart["repoURL"],
            "targetRevision": chart["targetRevision"],
            "ref": "values",
        }
        assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}

    def test_it_brings_changes_and_takes_away_what_labels_say(
        self, hub_under_test: HubUnderTest
    ) -> None:
        hub = hub_under_test
        hub.store_credentials("spoke-3")
        self.register(hub, "spoke-3")
        self.has_components(hub, "spoke-3", COMPONENTS)
        before = self.applications(hub, "spoke-3")["cluster-info"]

        # reader-role is in the newer catalogue alone.
        self.relabel(
            hub,
            "spoke-3",
            labels(
                resourcesRelease="release1",
                enable_reader_role="true",
                enable_quota_defaults="false",
                addonsRelease="release1",
            ),
        )
        self.has_components(hub, "spoke-3", COMPONENTS - {"quota-defaults"} | {"reader-role"})
        self.eventually(
            hub,
            lambda: (
                self.applications(hub, "spoke-3")["cluster-info"]["metadata"]["labels"][
                    "fleet/release"
                ]
                == "release1"
            ),
            "cluster-info is on the other release",
        )
        after = self.applications(hub, "spoke-3")["cluster-info"]
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        found = self.registered(hub, "spoke-3")
        assert found is not None
        assert found.labels["enable_quota_defaults"] == "false"

        self.relabel(hub, "spoke-3", "# Nothing of its own any more.\n")
        self.has_components(hub, "spoke-3", COMPONENTS)

    def test_it_waits_for_a_secret_that_is_missing(self, hub_under_test: HubUnderTest) -> None:
        hub = hub_under_test
        self.register(hub, "spoke-4")

        def condition() -> Mapping[str, str] | None:
            found = self.objects(hub, HubKind.EXTERNAL_SECRETS).get("cluster-spoke-4") or {}
            conditions = found.get("status", {}).get("conditions") or []
            return conditions[0] if conditions else None

        said = self.eventually(hub, condition, "the operator has looked")
        assert (said["type"], said["status"]) == ("Ready", "False")
        assert said["reason"] == "SecretSyncedError"
        assert "could not get secret data from provider" in said["message"]
        assert self.registered(hub, "spoke-4") is None
        assert self.applications(hub, "spoke-4") == {}

    def test_it_keeps_an_application_whose_release_is_unknown(
        self, hub_under_test: HubUnderTest
    ) -> None:
        hub = hub_under_test
        hub.store_credentials("spoke-5")
        self.register(hub, "spoke-5", labels(addonsRelease="relaese1"))
        self.has_components(hub, "spoke-5", COMPONENTS)
        said = self.eventually(
            hub, lambda: self.error_of(hub, "cluster-info-spoke-5"), "it says what is wrong"
        )
        assert "relaese1" in said
        assert "addonsRelease" in said
        one = self.applications(hub, "spoke-5")["cluster-info"]
        assert one["spec"]["sources"][0]["path"] == "charts/unknown-release"
        assert one["metadata"]["labels"]["fleet/release"] == "relaese1"

    def test_it_refuses_a_member_that_the_chart_refuses(self, hub_under_test: HubUnderTest) -> None:
        hub = hub_under_test
        hub.store_credentials("spoke-6")
        self.register(hub, "spoke-6", "externalSecret:\n  labels:\n    enable_karpenter: true\n")
        said = self.eventually(
            hub, lambda: self.error_of(hub, "fleet-secret-spoke-6"), "the registration says why"
        )
        assert "enable_karpenter" in said
        assert "cluster-spoke-6" not in self.objects(hub, HubKind.EXTERNAL_SECRETS)
        assert self.registered(hub, "spoke-6") is None

    def test_it_reads_labels_from_the_base_folder_of_the_member(
        self, hub_under_test: HubUnderTest
    ) -> None:
        hub = hub_under_test
        hub.store_credentials("spoke-7")
        own = labels(addonsRelease="default", enable_cluster_info="true")
        self.register(hub, "spoke-7", own, addons_repo_basepath="teams/blue")
        self.has_components(hub, "spoke-7", {"cluster-info"})
        found = self.registered(hub, "spoke-7")
        assert found is not None
        assert found.annotations["addons_repo_basepath"] == "teams/blue"
        one = self.applications(hub, "spoke-7")["cluster-info"]
        files = one["spec"]["sources"][0]["helm"]["valueFiles"]
        assert files[0] == "$values/teams/blue/defaults/cluster-info/values.yaml"

    def test_it_leaves_to_a_cluster_what_it_deploys_itself(
        self, hub_under_test: HubUnderTest
    ) -> None:
        hub = hub_under_test
        hub.store_credentials("spoke-8")
        remote = {"use_remote_argo": "true", "enable_remote_addons": "true"}
        self.register(hub, "spoke-8", **remote)
        own = {"external-secrets", "argo-cd", "spoke-secret", "spoke-bootstrap"}
        self.has_components(hub, "spoke-8", COMPONENTS - {"cluster-info"} | own)
        fleet = self.applications(hub, "spoke-8")["spoke-secret"]
        assert fleet["spec"]["project"] == "fleet"
        assert fleet["spec"]["destination"] == {"name": "spoke-8", "namespace": "argocd"}
        files = fleet["spec"]["sources"][0]["helm"]["valueFiles"]
        assert files[0] == "$values/addons/defaults/fleet/fleet-secret/values.yaml"

    def test_it_takes_the_request_to_look(self, hub_under_test: HubUnderTest) -> None:
        hub = hub_under_test
        hub.reader.ask_application_set_to_look(REGISTRATION)
        self.eventually(
            hub,
            lambda: (
                LOOK
                not in (
                    self.objects(hub, HubKind.APPLICATION_SETS)[REGISTRATION]["metadata"].get(
                        "annotations"
                    )
                    or {}
                )
            ),
            "the request was taken",
        )

    def owner(self, found: Object) -> str:
        """The ApplicationSet that made an Application."""
        (owner,) = found["metadata"]["ownerReferences"]
        assert owner["kind"] == "ApplicationSet"
        return str(owner["name"])
