"""The demo hub acts the shipped repository out: registration, Applications, changes, departures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from onboarding.demo.hub_acting import POLL_SECONDS, DemoHub
from onboarding.demo.hub_sources import NoSecrets, open_snapshot
from onboarding.demo.hub_world import WorldReader
from onboarding.domain.layout import LAYOUTS
from onboarding.domain.names import HubName, TenantName
from onboarding.domain.sync import VerdictState, application_facts, verdict
from onboarding.services.initializing import NewFleet, files
from tests.repositories import bare_repository, commit

HUB = HubName("hub-cluster")
BEGIN = 1_772_442_000.0  # 2026-03-02 09:00 UTC
MEMBERS = "fleet/fleet-bootstrap/fleet-members/hub-cluster"


class Moment:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> float:
        return self.now


class SomeSecrets:
    """Secrets that a test takes away and brings back."""

    answers = True

    def __init__(self) -> None:
        self.missing: set[str] = set()

    def server_of(self, name: str) -> str | None:
        return None if name in self.missing else f"https://{name.rsplit('/')[-1]}.example.com"


def member(cluster: str, tenant: str = "tenant1", **keys: str) -> str:
    values = {
        "tenant": tenant,
        "clusterName": cluster,
        "environment": "qa",
        "secretManagerSecretName": f"fleet/{cluster}",
        "use_remote_argo": "false",
        "enable_remote_resources": "false",
        "enable_remote_addons": "false",
        **keys,
    }
    return "".join(f'{key}: "{value}"\n' for key, value in values.items())


def labels_path(cluster: str, tenant: str = "tenant1") -> str:
    return f"addons/tenants/{tenant}/clusters/{cluster}/fleet/fleet-secret/values.yaml"


def labels(**values: str) -> str:
    lines = "".join(f'    {key}: "{value}"\n' for key, value in values.items())
    return f"externalSecret:\n  labels:\n{lines}"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    new = NewFleet(
        repository_url="https://git.example.com/fleet.git",
        revision="main",
        hub=HUB,
        aws_region="eu-west-1",
        tenants=(TenantName("tenant1"), TenantName("tenant2")),
    )
    shipped = {edit.path: edit.content for edit in files(new)}
    path = bare_repository(tmp_path / "fleet.git", shipped)
    commit(path, {f"{MEMBERS}/spoke-old.yaml": member("spoke-old")})
    return path


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def secrets() -> SomeSecrets:
    return SomeSecrets()


def make_hub(
    repository: Path, moment: Moment, secrets: Any, layout: str = "tenants", **faults: str
) -> DemoHub:
    return DemoHub(
        name=HUB,
        namespace="argocd",
        region="eu-west-1",
        reader=WorldReader(
            hub=HUB,
            layout=LAYOUTS[layout],
            url="https://git.example.com/fleet.git",
            branch="main",
        ),
        repository=lambda: open_snapshot(str(repository), "main"),
        secrets=secrets,
        faults={name.replace("_", "-"): how for name, how in faults.items()},
        speed=1.0,
        now=moment,
    )


@pytest.fixture
def hub(repository: Path, moment: Moment, secrets: SomeSecrets) -> DemoHub:
    found = make_hub(repository, moment, secrets)
    found.step()
    return found


def pass_time(hub: DemoHub, moment: Moment, seconds: float) -> None:
    for _ in range(int(seconds * 4)):
        moment.now += 0.25
        hub.step()


def applications(hub: DemoHub, cluster: str) -> dict[str, Mapping[str, Any]]:
    found = (hub.store.get("applications", name) for name in hub.store.names("applications"))
    return {
        each["metadata"]["name"]: each
        for each in found
        if each and each["metadata"]["labels"]["fleet/cluster"] == cluster
    }


def states(hub: DemoHub, cluster: str) -> set[tuple[str, str]]:
    return {
        (each["status"]["sync"]["status"], each["status"]["health"]["status"])
        for each in applications(hub, cluster).values()
    }


def names(hub: DemoHub) -> list[str]:
    return [each["name"] for each in hub.clusters()]


def test_it_finds_an_old_fleet_settled(hub: DemoHub) -> None:
    assert states(hub, "spoke-old") == {("Synced", "Healthy")}
    assert names(hub) == ["hub-cluster", "spoke-old"]
    made = hub.store.get("applications", "fleet-secret-spoke-old")
    assert made
    assert made["metadata"]["creationTimestamp"] < "2026-03-02"
    assert made["spec"]["destination"] == {"name": "hub-cluster", "namespace": "argocd"}


def test_it_acts_a_registration_out_step_by_step(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    sha = commit(repository, {f"{MEMBERS}/spoke-new.yaml": member("spoke-new")})
    pass_time(hub, moment, 2)
    assert applications(hub, "spoke-new") == {}

    hub.look()
    hub.step()
    assert states(hub, "spoke-new") == {("OutOfSync", "Missing")}
    pass_time(hub, moment, 1.25)
    registration = applications(hub, "spoke-new")["fleet-secret-spoke-new"]
    assert registration["status"]["operationState"]["phase"] == "Running"
    assert hub.store.get("externalsecrets", "cluster-spoke-new") is None

    pass_time(hub, moment, 1.5)
    waiting = hub.store.get("externalsecrets", "cluster-spoke-new")
    assert waiting
    assert waiting["status"] == {}
    assert "spoke-new" not in names(hub)

    pass_time(hub, moment, 1)
    ready = hub.store.get("externalsecrets", "cluster-spoke-new")
    assert ready
    assert ready["status"]["conditions"][0]["status"] == "True"
    found = {each["name"]: each for each in hub.clusters()}["spoke-new"]
    assert found["server"] == "https://spoke-new.example.com"
    assert found["labels"]["tenant"] == "tenant1"
    assert found["labels"]["addonsRelease"] == "default"
    assert found["connectionState"]["status"] == "Unknown"

    pass_time(hub, moment, 2)
    assert {("OutOfSync", "Missing")} <= states(hub, "spoke-new")
    pass_time(hub, moment, 20)
    assert states(hub, "spoke-new") == {("Synced", "Healthy")}
    made = applications(hub, "spoke-new")
    assert len(made) > 2
    info = made["cluster-info-spoke-new"]
    assert info["spec"]["destination"]["name"] == "spoke-new"
    assert info["status"]["sync"]["revisions"] == [sha, sha]
    assert info["status"]["operationState"]["phase"] == "Succeeded"
    assert info["metadata"]["ownerReferences"][0]["name"] == "cluster-info"
    assert hub.store.get("applicationsets", "cluster-info")


def test_it_gives_objects_that_the_product_judges_healthy(hub: DemoHub, moment: Moment) -> None:
    now = dt.datetime.fromtimestamp(moment.now + 2, dt.UTC)
    for item in applications(hub, "spoke-old").values():
        facts = application_facts(item, seen_at=now)
        judged = verdict(facts, now=now, stale_after=dt.timedelta(minutes=3))
        assert judged.state is VerdictState.HEALTHY, (item["metadata"]["name"], judged)


def test_it_polls_git_when_nobody_tells_it_to_look(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    commit(repository, {f"{MEMBERS}/spoke-new.yaml": member("spoke-new")})
    pass_time(hub, moment, POLL_SECONDS - 1)
    assert applications(hub, "spoke-new") == {}
    pass_time(hub, moment, 2)
    assert applications(hub, "spoke-new") != {}


def test_it_waits_for_a_secret_and_goes_on_when_it_comes(
    hub: DemoHub, repository: Path, moment: Moment, secrets: SomeSecrets
) -> None:
    secrets.missing.add("fleet/spoke-new")
    commit(repository, {f"{MEMBERS}/spoke-new.yaml": member("spoke-new")})
    hub.look()
    pass_time(hub, moment, 10)
    waiting = hub.store.get("externalsecrets", "cluster-spoke-new")
    assert waiting
    assert waiting["status"]["conditions"][0] == {
        "type": "Ready",
        "status": "False",
        "reason": "SecretSyncedError",
        "message": "could not get secret data from provider",
        "lastTransitionTime": waiting["status"]["conditions"][0]["lastTransitionTime"],
    }
    assert states(hub, "spoke-new") == {("Synced", "Degraded")}
    assert "spoke-new" not in names(hub)
    secrets.missing.clear()
    pass_time(hub, moment, 30)
    assert "spoke-new" in names(hub)
    assert states(hub, "spoke-new") == {("Synced", "Healthy")}


def test_it_enables_and_disables_components_by_labels(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    before = set(applications(hub, "spoke-old"))
    path = labels_path("spoke-old")
    commit(repository, {path: labels(enable_cert_manager="true", enable_cluster_info="false")})
    hub.look()
    pass_time(hub, moment, 1.5)
    after = applications(hub, "spoke-old")
    assert set(after) - before == {"cert-manager-spoke-old"}
    assert before - set(after) == {"cluster-info-spoke-old"}
    made = after["cert-manager-spoke-old"]
    assert made["status"]["health"]["status"] == "Missing"
    assert made["spec"]["sources"][0]["chart"] == "cert-manager"


def test_it_updates_in_place_when_the_channel_changes(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    before = applications(hub, "spoke-old")["cluster-info-spoke-old"]
    commit(repository, {labels_path("spoke-old"): labels(addonsRelease="release1")})
    hub.look()
    pass_time(hub, moment, 2)
    during = applications(hub, "spoke-old")["cluster-info-spoke-old"]
    assert (during["status"]["sync"]["status"], during["status"]["health"]["status"]) == (
        "OutOfSync",
        "Healthy",
    )
    assert during["metadata"]["uid"] == before["metadata"]["uid"]
    assert during["metadata"]["labels"]["fleet/release"] == "release1"
    pass_time(hub, moment, 20)
    assert states(hub, "spoke-old") == {("Synced", "Healthy")}


def test_it_compares_with_a_commit_that_changes_nothing_of_an_application_without_a_sync(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    before = applications(hub, "spoke-old")
    tip = commit(repository, {labels_path("spoke-old"): labels(addonsRelease="release1")})
    hub.look()
    pass_time(hub, moment, 20)
    after = applications(hub, "spoke-old")
    synced = {
        name
        for name, old in before.items()
        if after[name]["status"]["history"] != old["status"]["history"]
    }
    addons = {
        name for name, old in before.items() if old["metadata"]["labels"]["fleet/group"] == "addons"
    }
    assert synced == addons | {"fleet-secret-spoke-old"}
    for name, one in after.items():
        status = one["status"]
        assert status["sync"]["revisions"][1] == tip
        assert (status["operationState"]["syncResult"]["revisions"][1] == tip) is (name in synced)


def test_it_shows_an_unknown_channel_as_an_error_and_removes_nothing(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    before = set(applications(hub, "spoke-old"))
    commit(repository, {labels_path("spoke-old"): labels(addonsRelease="nonsense")})
    hub.look()
    pass_time(hub, moment, 10)
    after = applications(hub, "spoke-old")
    assert set(after) == before
    broken = after["cluster-info-spoke-old"]["status"]
    assert broken["conditions"][0]["type"] == "ComparisonError"
    assert "nonsense" in broken["conditions"][0]["message"]


def test_it_leaves_a_group_to_a_spoke_that_manages_itself(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    text = member("spoke-own", use_remote_argo="true", enable_remote_addons="true")
    commit(repository, {f"{MEMBERS}/spoke-own.yaml": text})
    hub.look()
    pass_time(hub, moment, 20)
    groups = {
        each["metadata"]["labels"]["fleet/group"]
        for each in applications(hub, "spoke-own").values()
    }
    assert "addons" not in groups
    assert "fleet" in groups


def test_it_keeps_the_cluster_of_a_member_that_just_vanished(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": None})
    hub.look()
    pass_time(hub, moment, 3)
    assert "spoke-old" in names(hub)
    assert "fleet-secret-spoke-old" not in applications(hub, "spoke-old")
    assert "cluster-info-spoke-old" in applications(hub, "spoke-old")


def test_it_lets_a_leaving_cluster_go_in_order(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    leaving = member("spoke-old", offboarding="true")
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": leaving})
    hub.look()
    pass_time(hub, moment, 3)
    assert set(applications(hub, "spoke-old")) == {"fleet-secret-spoke-old"}
    assert "spoke-old" in names(hub)
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": None})
    hub.look()
    pass_time(hub, moment, 3)
    assert applications(hub, "spoke-old") == {}
    assert names(hub) == ["hub-cluster"]
    assert hub.store.get("externalsecrets", "cluster-spoke-old") is None


def test_it_cannot_take_away_what_runs_on_a_spoke_that_does_not_answer(
    repository: Path, moment: Moment
) -> None:
    hub = make_hub(repository, moment, NoSecrets(), spoke_old="unreachable")
    hub.step()
    before = set(applications(hub, "spoke-old"))
    leaving = member("spoke-old", offboarding="true")
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": leaving})
    for again in (False, True):  # and after a new start it finds it so
        hub = make_hub(repository, moment, NoSecrets(), spoke_old="unreachable") if again else hub
        hub.look()
        pass_time(hub, moment, 3)
        left = applications(hub, "spoke-old")
        assert set(left) == before
        for name in before - {"fleet-secret-spoke-old"}:
            assert left[name]["metadata"]["deletionTimestamp"]
            assert left[name]["status"]["conditions"][0]["type"] == "DeletionError"
        assert "deletionTimestamp" not in left["fleet-secret-spoke-old"]["metadata"]
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": None})
    hub.look()
    pass_time(hub, moment, 3)
    assert applications(hub, "spoke-old") == {}


def test_it_leaves_a_paused_cluster_alone_until_the_pause_ends(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": member("spoke-old", paused="true")})
    hub.look()
    pass_time(hub, moment, 3)
    name = "cluster-info-spoke-old"
    before = applications(hub, "spoke-old")[name]["status"]
    commit(repository, {labels_path("spoke-old"): labels(addonsRelease="release1")})
    hub.look()
    pass_time(hub, moment, 400)
    paused = applications(hub, "spoke-old")[name]
    assert paused["metadata"]["annotations"] == {"argocd.argoproj.io/skip-reconcile": "true"}
    assert paused["status"] == before
    commit(repository, {f"{MEMBERS}/spoke-old.yaml": member("spoke-old")})
    hub.look()
    pass_time(hub, moment, 20)
    resumed = applications(hub, "spoke-old")[name]
    assert resumed["metadata"]["annotations"] == {"argocd.argoproj.io/skip-reconcile": "false"}
    assert resumed["metadata"]["labels"]["fleet/release"] == "release1"
    assert resumed["status"]["sync"]["revisions"] != before["sync"]["revisions"]


def test_it_degrades_on_one_channel_alone(repository: Path, moment: Moment) -> None:
    hub = make_hub(repository, moment, NoSecrets(), **{"spoke_old@release1": "degraded"})
    hub.step()
    assert states(hub, "spoke-old") == {("Synced", "Healthy")}
    commit(repository, {labels_path("spoke-old"): labels(addonsRelease="release1")})
    hub.look()
    pass_time(hub, moment, 20)
    assert states(hub, "spoke-old") == {("Synced", "Healthy"), ("Synced", "Degraded")}


def test_it_hides_no_member_behind_a_broken_file(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    commit(
        repository,
        {
            f"{MEMBERS}/broken.yaml": "tenant: [unclosed",
            f"{MEMBERS}/spoke-new.yaml": member("spoke-new"),
        },
    )
    hub.look()
    pass_time(hub, moment, 3)
    assert applications(hub, "spoke-new") != {}
    found = hub.store.get("applicationsets", "fleet-hub-external-secrets")
    assert found
    error = found["status"]["conditions"][0]
    assert (error["type"], error["status"]) == ("ErrorOccurred", "True")
    assert "broken.yaml" in error["message"]


def test_it_removes_the_refresh_annotation_when_it_has_looked(hub: DemoHub) -> None:
    key = "argocd.argoproj.io/application-set-refresh"
    name = "fleet-hub-external-secrets"
    patched = hub.annotate(name, {key: "true"})
    assert patched
    assert patched["metadata"]["annotations"] == {key: "true"}
    hub.look()
    hub.step()
    found = hub.store.get("applicationsets", name)
    assert found
    assert key not in found["metadata"].get("annotations", {})
    assert hub.annotate("nobody", {key: "true"}) is None


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("degraded", ("Synced", "Degraded")),
        ("progressing", ("Synced", "Progressing")),
        ("out-of-sync", ("OutOfSync", "Healthy")),
        ("sync-failed", ("OutOfSync", "Missing")),
        ("suspended", ("Synced", "Suspended")),
    ],
)
def test_it_ends_as_it_is_told_to(
    repository: Path, moment: Moment, how: str, expected: tuple[str, str]
) -> None:
    hub = make_hub(repository, moment, NoSecrets(), spoke_old=how)
    hub.step()
    assert states(hub, "spoke-old") == {("Synced", "Healthy"), expected}


def test_it_shows_a_spoke_that_cannot_be_reached(repository: Path, moment: Moment) -> None:
    hub = make_hub(repository, moment, NoSecrets(), spoke_old="unreachable")
    hub.step()
    found = {each["name"]: each for each in hub.clusters()}["spoke-old"]
    assert found["connectionState"]["status"] == "Failed"
    assert ("Unknown", "Unknown") in states(hub, "spoke-old")


def test_it_ends_as_a_values_layer_tells_it_to(
    hub: DemoHub, repository: Path, moment: Moment
) -> None:
    path = "addons/tenants/tenant1/clusters/spoke-old/cluster-info/values.yaml"
    commit(repository, {path: "demo: degraded\n"})
    hub.look()
    pass_time(hub, moment, 20)
    info = applications(hub, "spoke-old")["cluster-info-spoke-old"]
    assert info["status"]["health"]["status"] == "Degraded"


def test_it_does_the_same_in_every_run(repository: Path, secrets: SomeSecrets) -> None:
    def told() -> list[Any]:
        moment = Moment()
        hub = make_hub(repository, moment, secrets)
        pass_time(hub, moment, 5)
        return [
            hub.store.get("applications", name) for name in sorted(hub.store.names("applications"))
        ]

    assert told() == told()


def test_it_says_little_when_nothing_happens(hub: DemoHub, moment: Moment) -> None:
    pass_time(hub, moment, 1)
    version = hub.store.page("applications", limit=1).version
    pass_time(hub, moment, 60)
    assert hub.store.page("applications", limit=1).version - version < 10


def test_it_waits_for_the_first_commit(tmp_path: Path, moment: Moment) -> None:
    empty = bare_repository(tmp_path / "empty.git")
    hub = make_hub(empty, moment, NoSecrets())
    pass_time(hub, moment, 1)
    assert names(hub) == ["hub-cluster"]
    assert hub.store.names("applications") == frozenset()
    commit(empty, {f"{MEMBERS}/spoke-bare.yaml": member("spoke-bare")}, seconds=int(BEGIN) + 90)
    pass_time(hub, moment, 10)
    assert "spoke-bare" in names(hub)
    assert set(applications(hub, "spoke-bare")) == {"fleet-secret-spoke-bare"}


def test_it_acts_out_the_other_layout(repository: Path, moment: Moment) -> None:
    shared = labels(addonsRelease="default", enable_cluster_info="true")
    own = "addons/tenants/tenant1/environments/qa/clusters/spoke-env/fleet/fleet-secret/values.yaml"
    commit(repository, {f"{MEMBERS}/spoke-env.yaml": member("spoke-env"), own: shared})
    hub = make_hub(repository, moment, NoSecrets(), layout="environments")
    hub.step()
    found = applications(hub, "spoke-env")
    assert "cluster-info-spoke-env" in found
    source = found["cluster-info-spoke-env"]["spec"]["sources"][0]
    path = "addons/tenants/tenant1/environments/qa/clusters/spoke-env/cluster-info/values.yaml"
    assert source["helm"]["valueFiles"][-1] == f"$values/{path}"
