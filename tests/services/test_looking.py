"""After a delivery, the right ApplicationSets and Applications are told to look, and only once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from onboarding.domain.errors import Refused
from onboarding.models import (
    ApplicationStatus,
    Change,
    ClusterStatus,
    Delivery,
    Event,
    Fleet,
    Hub,
    HubObject,
)
from onboarding.services.observing import observations
from onboarding.services.observing.looking import Lookers, try_unreachable_again, who_looks
from tests.fakes import START, FakeArgoCD, FakeClock, FakeHub

pytestmark = pytest.mark.django_db

MEMBER = "fleet/fleet-bootstrap/fleet-members/hub-cluster/spoke-dev.yaml"
NO_CLUSTER = "there are no clusters with this name: spoke-dev"
LABELS = "addons/tenants/tenant1/clusters/spoke-dev/fleet/fleet-secret/values.yaml"
VALUES = "addons/tenants/tenant1/clusters/spoke-dev/metrics-server/values.yaml"
VERSIONS = "fleet/bootstrap/versions/applicationSets.yaml"


@pytest.fixture(autouse=True)
def forget() -> None:
    cache.clear()


@pytest.fixture
def hub() -> Hub:
    fleet = Fleet.objects.create(name="fleet", repository_url="https://git.example.com/fleet.git")
    hub = Hub.objects.create(fleet=fleet, name="hub-cluster")
    application(hub, "fleet-secret-spoke-dev", "hub-cluster", [LABELS], set="registration")
    application(hub, "metrics-server-spoke-dev", "spoke-dev", [VALUES], set="metrics-server")
    application(hub, "metrics-server-spoke-two", "spoke-two", [VALUES], set="metrics-server")
    application(hub, "bootstrap-addons-hub-cluster", "hub-cluster", [], set="bootstrap-addons")
    files = {"files": [{"path": "fleet/fleet-bootstrap/fleet-members/{{ .name }}/*.yaml"}]}
    application_set(hub, "registration", [{"matrix": {"generators": [{"git": files}]}}])
    application_set(hub, "metrics-server", [{"clusters": {}}])
    return hub


def application(hub: Hub, name: str, cluster: str, files: list[str], *, set: str) -> None:
    ApplicationStatus.objects.create(
        hub=hub,
        uid=name,
        name=name,
        cluster_name=cluster,
        component="bootstrap" if name.startswith("bootstrap") else "metrics-server",
        application_set=set,
        facts={"value_files": [f"$values/{file}" for file in files]},
        first_seen_at=START,
        seen_at=START,
    )


def application_set(hub: Hub, name: str, generators: list[Any]) -> None:
    HubObject.objects.create(
        hub=hub,
        kind="applicationsets",
        uid=name,
        name=name,
        facts={"spec": {"generators": generators, "template": {"git": {"files": []}}}},
        seen_at=START,
    )


def change(hub: Hub, *paths: str, at: timedelta = timedelta()) -> Change:
    requester, _ = User.objects.get_or_create(username="requester")
    found = Change.objects.create(
        fleet=hub.fleet,
        hub=hub,
        kind="edit",
        cluster_name="spoke-dev",
        requester=requester,
        plan={"edits": [{"path": path} for path in paths]},
    )
    Delivery.objects.create(
        change=found,
        fleet=hub.fleet,
        digest="sha256:0",
        state="committed",
        commit="a" * 40,
        queued_at=START + at,
        due_at=START + at,
        committed_at=START + at,
    )
    return found


@pytest.mark.parametrize(
    ("paths", "sets", "applications"),
    [
        ((MEMBER,), ("registration",), ()),
        ((LABELS,), (), ("fleet-secret-spoke-dev",)),
        # The registration's set rewrites its Application, which then looks by itself.
        ((MEMBER, LABELS), ("registration",), ()),
        ((MEMBER, VALUES), ("registration",), ("metrics-server-spoke-dev",)),
        ((VALUES,), (), ("metrics-server-spoke-dev",)),
        ((VERSIONS,), ("bootstrap-addons",), ("bootstrap-addons-hub-cluster",)),
        (("README.md",), (), ()),
        ((), (), ()),
    ],
)
def test_it_knows_who_must_look(
    hub: Hub, paths: tuple[str, ...], sets: tuple[str, ...], applications: tuple[str, ...]
) -> None:
    assert who_looks(change=change(hub, *paths)) == Lookers(sets, applications)


def test_it_tells_the_registration_too_where_the_hub_shows_nothing_of_it(hub: Hub) -> None:
    edited = change(hub, MEMBER, LABELS)
    assert who_looks(change=edited, again=True) == Lookers(
        ("registration",), ("fleet-secret-spoke-dev",)
    )


@pytest.mark.parametrize(
    ("message", "registered", "told"),
    [
        (NO_CLUSTER, True, ("registration", "dns")),
        (NO_CLUSTER, False, ("registration",)),
        (f"{NO_CLUSTER}-2", True, ("registration",)),
        ("template: nil pointer", True, ("registration",)),
    ],
)
def test_it_tells_the_sets_that_did_not_know_the_cluster_when_they_looked(
    hub: Hub, message: str, registered: bool, told: tuple[str, ...]
) -> None:
    facts = {"spec": {}, "reason": "ApplicationParamsGenerationError"}
    HubObject.objects.create(
        hub=hub, kind="applicationsets", uid="dns", name="dns", facts=facts, ready=False,
        message=message, seen_at=START,
    )  # fmt: skip
    if registered:
        ClusterStatus.objects.create(
            hub=hub, name="spoke-dev", server="https://a", seen_at=START, first_seen_at=START
        )
    edited = change(hub, MEMBER)
    assert who_looks(change=edited, again=True).application_sets == told
    assert who_looks(change=edited).application_sets == ("registration",)


def test_it_tells_all_clusters_that_read_a_shared_file(hub: Hub) -> None:
    shared = change(hub, VALUES)
    shared.cluster_name = ""
    looking = who_looks(change=shared)
    assert looking.applications == ("metrics-server-spoke-dev", "metrics-server-spoke-two")


def test_it_asks_the_usual_set_while_the_hub_is_unknown(hub: Hub) -> None:
    HubObject.objects.all().delete()
    assert who_looks(change=change(hub, MEMBER)).application_sets == ("fleet-hub-external-secrets",)


class Told:
    """Tells a hub of changes and remembers what it was asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.reader, self.argocd, self.clock = FakeHub(), FakeArgoCD(), clock
        self.pauses: list[float] = []

    def __call__(self, change: Change, *, again: bool = False) -> Any:
        return observations.tell_hub_of_change(
            change_id=change.pk,
            reader=lambda _: self.reader,
            argocd=lambda _: self.argocd,
            clock=self.clock,
            pause=self.pauses.append,
            again=again,
        )


@pytest.fixture
def tell() -> Told:
    return Told(FakeClock(START + timedelta(seconds=1)))


def test_it_tells_all_that_a_change_concerns(hub: Hub, tell: Told) -> None:
    told = tell(change(hub, MEMBER, VALUES))
    assert tell.reader.asked == ["registration"]
    assert tell.argocd.refreshed == ["metrics-server-spoke-dev"]
    assert (told.skipped, told.problems) == (0, ())
    assert len(tell.pauses) == 2


def test_it_looks_once_for_a_batch_of_changes(hub: Hub, tell: Told) -> None:
    for _ in range(20):
        tell(change(hub, MEMBER))
    assert tell.reader.asked == ["registration"]


def test_it_looks_again_for_a_later_commit(hub: Hub, tell: Told) -> None:
    tell(change(hub, MEMBER))
    tell.clock.advance(10)
    tell(change(hub, MEMBER, at=timedelta(seconds=5)))
    assert tell.reader.asked == ["registration", "registration"]


def test_it_tells_the_others_when_one_refuses(hub: Hub, tell: Told) -> None:
    tell.reader.failing = Refused("The hub does not allow it.")
    told = tell(change(hub, MEMBER, VALUES))
    assert told.problems == ("The hub does not allow it.",)
    assert tell.argocd.refreshed == ["metrics-server-spoke-dev"]
    tell.reader.failing = None
    tell(change(hub, MEMBER))
    assert tell.reader.asked == ["registration"]


def test_it_tells_at_most_fifty_applications(hub: Hub, tell: Told) -> None:
    for number in range(80):
        application(hub, f"app-{number}", "spoke-dev", [VALUES], set="x")
    tell(change(hub, VALUES))
    assert len(tell.argocd.refreshed) == 50


def test_it_does_nothing_for_a_change_that_is_gone(tell: Told) -> None:
    told = observations.tell_hub_of_change(
        change_id=12345,
        reader=lambda _: tell.reader,
        argocd=lambda _: tell.argocd,
        clock=tell.clock,
    )
    assert told.lookers == Lookers()
    assert tell.reader.asked == []


def connections(hub: Hub, **found: str) -> None:
    for name, connection in found.items():
        cluster = name.replace("_", "-")
        application(hub, f"cluster-info-{cluster}", cluster, [], set="cluster-info")
        ClusterStatus.objects.create(
            hub=hub,
            name=cluster,
            server=f"https://{cluster}.example.com",
            connection=connection,
            first_seen_at=START,
            seen_at=START,
        )


def test_it_has_clusters_tried_again_that_cannot_be_reached_but_not_all_the_time(hub: Hub) -> None:
    connections(hub, spoke_dev="Failed", spoke_two="Successful", spoke_three="Failed")
    argocd = FakeArgoCD()
    assert try_unreachable_again(hub=hub, argocd=argocd, pause=lambda _: None) == 2
    assert argocd.refreshed == ["cluster-info-spoke-dev", "cluster-info-spoke-three"]
    assert try_unreachable_again(hub=hub, argocd=argocd, pause=lambda _: None) == 0
    cache.clear()
    assert try_unreachable_again(hub=hub, argocd=argocd, pause=lambda _: None) == 2


def test_it_has_a_few_of_many_tried_again_at_once_and_the_others_next(hub: Hub) -> None:
    connections(hub, **{f"spoke_{number:02}": "Failed" for number in range(25)})
    argocd, pauses = FakeArgoCD(), list[float]()
    for expected in (20, 5, 0):
        assert try_unreachable_again(hub=hub, argocd=argocd, pause=pauses.append) == expected
    assert len(set(argocd.refreshed)) == 25
    assert len(pauses) == 25


def test_a_refusal_to_try_again_is_no_failure_of_looking(hub: Hub) -> None:
    connections(hub, spoke_dev="Failed")
    argocd = FakeArgoCD(failing=Refused("It may not."))
    assert try_unreachable_again(hub=hub, argocd=argocd, pause=lambda _: None) == 1


def test_it_tells_once_more_whom_it_told_but_not_all_for_each_change(hub: Hub, tell: Told) -> None:
    first, second = change(hub, MEMBER), change(hub, MEMBER)
    tell(first)
    tell.clock.advance(10)
    tell(first, again=True)
    assert tell.reader.asked == ["registration"] * 2
    assert tell(second, again=True).skipped == 1
    assert (
        Event.objects.latest("pk").message == "Hub hub-cluster was told once more to look at Git."
    )
