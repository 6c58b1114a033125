"""A distributed spoke: what its own Argo CD deploys counts where it can be seen, and is named where not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from onboarding.models import ApplicationStatus, Cluster, ClusterStatus, Hub, HubWatch, Standing
from onboarding.services import offers
from onboarding.services.observing import own_argo, standings, stories
from onboarding.views.standing_rows import row_of
from tests.stage import Stage

pytestmark = pytest.mark.django_db
UNSEEN = "Its own Argo CD deploys the add-ons; how they are is not known here."


@pytest.fixture
def cluster(stage: Stage) -> Cluster:
    """A registered spoke that deploys its add-ons by itself; all is well with what its hub deploys."""
    now = stage.clock.now()
    HubWatch.objects.create(hub=stage.hub, seen_at=now)
    ClusterStatus.objects.create(
        hub=stage.hub,
        name="spoke-a",
        server="https://a.example",
        labels={},
        first_seen_at=now,
        seen_at=now,
    )
    application(stage, stage.hub, "argo-cd-spoke-a", cluster_name="spoke-a")
    return Cluster.objects.create(
        fleet=stage.fleet,
        path="members/spoke-a.yaml",
        hub_name="hub-a",
        name="spoke-a",
        model="distributed",
        remote_addons=True,
    )


def application(stage: Stage, hub: Hub, name: str, **values: object) -> None:
    now = stage.clock.now()
    row = {
        "cluster_name": "in-cluster",
        "sync": "Synced",
        "verdict": "healthy",
        "application_set": "set",
        "synced_at": now,
        "healthy_at": now,
        "first_seen_at": now,
        "seen_at": now,
    }
    ApplicationStatus.objects.create(hub=hub, uid=name, name=name, **(row | values))


def own_hub(stage: Stage, **values: object) -> Hub:
    hub = Hub.objects.create(fleet=stage.fleet, name="spoke-a")
    HubWatch.objects.create(hub=hub, **({"seen_at": stage.clock.now()} | values))
    return hub


def told(stage: Stage, cluster: Cluster) -> stories.Story:
    return stories.story(cluster=cluster, change=None, hub=stage.hub, clock=stage.clock)


def test_it_says_what_is_not_known_where_access_is_not_configured(
    stage: Stage, cluster: Cluster
) -> None:
    found = told(stage, cluster)
    assert found.timeline.state.value == "healthy"
    assert found.timeline.sentence.endswith(UNSEEN)
    standings.recompute(fleet=stage.fleet, clock=stage.clock)
    assert Standing.objects.get().sentence.endswith(UNSEEN)
    listed = row_of(Standing.objects.get(), stage.clock.now())
    assert listed.reason.endswith(UNSEEN), "the list says so beside its Healthy"


def test_it_says_nothing_of_the_kind_of_a_centralized_one(stage: Stage, cluster: Cluster) -> None:
    Cluster.objects.update(model="centralized")
    cluster.refresh_from_db()
    assert "own Argo CD" not in told(stage, cluster).timeline.sentence
    assert own_argo.groups_of(cluster) == own_argo.groups_of(None) == ()


def test_it_counts_what_its_own_argo_has_where_that_is_seen(stage: Stage, cluster: Cluster) -> None:
    hub = own_hub(stage)
    application(stage, hub, "cluster-info")
    found = told(stage, cluster)
    assert found.timeline.sentence == "All 2 Applications are synced and healthy."
    application(stage, hub, "broken", verdict="degraded", reason="CrashLoop")
    found = told(stage, cluster)
    assert found.timeline.state.value == "degraded"
    assert found.applications is not None
    assert found.applications.total == 3
    standings.recompute(fleet=stage.fleet, clock=stage.clock)
    assert (Standing.objects.get().state, Standing.objects.get().applications) == ("degraded", 3)


def test_it_is_not_well_where_its_own_argo_has_nothing(stage: Stage, cluster: Cluster) -> None:
    own_hub(stage)
    found = told(stage, cluster).timeline
    assert found.state.value != "healthy"
    assert found.sentence == "Its own Argo CD has no Application: add-ons are not deployed."


def test_a_failure_there_is_named(stage: Stage, cluster: Cluster) -> None:
    application(stage, own_hub(stage), "broken", verdict="failed", reason="hook failed")
    found = told(stage, cluster).timeline
    assert found.state.value == "failed"
    assert "broken: hook failed" in found.sentence


def test_it_is_stale_while_its_own_argo_is_silent(stage: Stage, cluster: Cluster) -> None:
    hub = own_hub(stage, seen_at=stage.clock.now() - timedelta(minutes=4))
    application(stage, hub, "cluster-info")
    assert told(stage, cluster).timeline.state.value == "stale"


def test_one_that_was_never_seen_is_not_known(stage: Stage, cluster: Cluster) -> None:
    hub = own_hub(stage, seen_at=None)
    application(stage, hub, "cluster-info", verdict="healthy")
    found = told(stage, cluster)
    assert found.timeline.sentence.endswith(UNSEEN)
    assert found.applications is not None
    assert found.applications.total == 1


def test_a_hub_of_another_fleet_is_not_its_own(stage: Stage, cluster: Cluster) -> None:
    other = type(stage.fleet).objects.create(name="zoo", repository_url="https://git.example.com/z")
    hub = own_hub(stage)
    Hub.objects.filter(pk=hub.pk).update(fleet=other)
    assert told(stage, cluster).timeline.sentence.endswith(UNSEEN)


def test_nobody_registers_a_cluster_on_a_spokes_own_argo(stage: Stage, cluster: Cluster) -> None:
    own_hub(stage)
    assert offers.empty(fleet=stage.fleet).hubs == ("hub-a",)


def test_the_page_says_so_or_shows_them(stage: Stage, cluster: Cluster, client) -> None:  # type: ignore[no-untyped-def]
    client.force_login(stage.requester)
    path = "/clusters/hub-a/spoke-a/"
    page = client.get(path).content.decode()
    assert "Not seen from here" in page
    assert "access to its own Argo CD is not configured" in page
    application(stage, own_hub(stage), "cluster-info", verdict="degraded", reason="CrashLoop")
    page = client.get(path).content.decode()
    assert "Not seen from here" not in page
    assert "Applications of its own Argo CD" in page
    assert "cluster-info" in page
    Cluster.objects.update(model="centralized")
    assert "Its own Argo CD" not in client.get(path).content.decode()
