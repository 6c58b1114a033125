"""Drift on the cluster's page: three sides held against each other, adopted into Git, or re-asserted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.cache import cache

from onboarding import tasks, wiring
from onboarding.domain.errors import Refused
from onboarding.models import (
    ApplicationStatus,
    Change,
    Cluster,
    ClusterStatus,
    Event,
    Fleet,
    Hub,
    HubWatch,
)
from onboarding.services.observing.drift import Drift
from tests import repositories
from tests.fakes import FakeArgoCD, FakeHub
from tests.journey import reading
from tests.journey.conftest import Place
from tests.journey.test_registration import MEMBER, MEMBER_PATH

PAGE = "/clusters/hub-cluster/spoke-a/"
TAB = f"{PAGE}?tab=drift"
ADOPT = f"{PAGE}drift/adopt/"
REASSERT = f"{PAGE}drift/reassert/"


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def cluster(place: Place) -> Cluster:
    """A registered cluster of which the hub says exactly what Git says."""
    repositories.commit(place.bare, {MEMBER_PATH: MEMBER})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    cluster = Cluster.objects.get(name="spoke-a")
    now, hub = wiring.clock().now(), Hub.objects.get()
    place.secrets.add("fleet/spoke-a")
    HubWatch.objects.create(hub=hub, seen_at=now)
    live(cluster, {})
    registration(cluster.fleet.indexed_commit)
    return cluster


def live(cluster: Cluster, labels: dict[str, str | None]) -> None:
    """The hub's cluster secret: as Git says, but for these labels (None: it has none of that key)."""
    now = wiring.clock().now()
    said = {key: data["value"] for key, data in cluster.labels.items()} | labels
    ClusterStatus.objects.update_or_create(
        hub=Hub.objects.get(),
        name="spoke-a",
        server="https://spoke-a.example",
        defaults={
            "labels": {key: value for key, value in said.items() if value is not None},
            "first_seen_at": now - timedelta(days=3),
            "seen_at": now,
        },
    )


def registration(commit: str, **values: str) -> None:
    now = wiring.clock().now()
    ApplicationStatus.objects.update_or_create(
        hub=Hub.objects.get(),
        uid="registration",
        defaults={
            "name": "fleet-secret-spoke-a",
            "cluster_name": "hub-cluster",
            "sync": "Synced",
            "verdict": "healthy",
            "revision": commit,
            "first_seen_at": now,
            "seen_at": now,
        }
        | values,
    )


def said(place: Place, who: str = "requester") -> str:
    return " ".join(reading.words(place.get(who, TAB)).split())


def test_it_says_so_where_nothing_is_registered_yet(place: Place, cluster: Cluster) -> None:
    ClusterStatus.objects.all().delete()
    assert "Nothing to compare yet" in said(place)


def test_it_calls_nothing_well_that_it_does_not_know(
    place: Place, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Drift((), is_registered=True, unread="addons (release1)")
    monkeypatch.setattr("onboarding.views.drift_page.drift_of", lambda **_: found)
    page = said(place)
    assert "No drift" in page
    assert "The components of addons (release1) are described in another repository" in page
    HubWatch.objects.update(seen_at=wiring.clock().now() - timedelta(minutes=5))
    page = said(place)
    assert "No drift when the hub was last seen" in page
    assert "may not hold any more" in page


def test_it_finds_labels_that_somebody_changed(place: Place, cluster: Cluster) -> None:
    live(cluster, {"addonsRelease": "default", "mine": "1"})
    page = said(place)
    assert "Changed by hand on the hub" in page
    assert "argocd cluster set" in page
    assert "mine" in page
    assert ADOPT in page
    assert REASSERT in page
    tasks.refresh_standings()
    rows = " ".join(reading.words(place.get("viewer", "/clusters/?drift=labels")).split())
    assert "2 labels drifted" in rows
    assert "1 cluster" in rows


def test_it_offers_nothing_to_who_may_not_ask(place: Place, cluster: Cluster) -> None:
    live(cluster, {"mine": "1"})
    page = said(place, "viewer")
    assert "mine" in page
    assert ADOPT not in page
    assert REASSERT not in page
    assert place.post("viewer", ADOPT, {"label": "mine"}).status_code == 403
    assert place.post("approver", REASSERT, {}).status_code == 403
    assert not Change.objects.exists()


def test_it_tells_a_newer_commit_from_a_hand(place: Place, cluster: Cluster) -> None:
    before = cluster.fleet.indexed_commit
    path = "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml"
    text = 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
    repositories.commit(place.bare, {path: text})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    registration(before)
    page = said(place)
    assert "A newer commit is not read yet" in page
    assert f"the hub last read {before[:8]}" in page
    registration(Fleet.objects.get().indexed_commit)
    assert "Changed by hand on the hub" in said(place)
    registration("0" * 40)
    assert "Changed by hand on the hub" in said(place)


def test_it_names_a_registration_that_is_not_applied(place: Place, cluster: Cluster) -> None:
    live(cluster, {"addonsRelease": "default"})
    registration(cluster.fleet.indexed_commit, sync="OutOfSync", reason="It differs from Git.")
    assert "The hub has not applied what it read: It differs from Git." in said(place)


def test_it_finds_what_the_applications_carry_otherwise(place: Place, cluster: Cluster) -> None:
    page = said(place)
    assert "Its ApplicationSet has not made it" in page  # none of them is on this hub yet
    now, hub = wiring.clock().now(), Hub.objects.get()
    ApplicationStatus.objects.create(
        hub=hub,
        uid="x",
        name="cluster-info-spoke-a",
        cluster_name="spoke-a",
        sync="Synced",
        application_set="addons-cluster-info",
        facts={
            "destination": "somewhere-else",
            "value_files": ["$values/addons/old.yaml"],
            "path": "charts/cluster-info",
            "group": "addons",
            "release": "release1",
        },
        first_seen_at=now,
        seen_at=now,
    )
    page = said(place)
    for words in ("somewhere-else", "addons/old.yaml", "Values files", "Destination"):
        assert words in page


def test_it_adopts_a_live_label_by_a_change_that_somebody_approves(
    place: Place, cluster: Cluster
) -> None:
    live(cluster, {"mine": "1"})
    answer = place.post("requester", ADOPT, {"label": "mine"})
    change = Change.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/changes/{change.pk}/"
    assert (change.kind, change.state, change.cluster_name) == ("edit", "submitted", "spoke-a")
    (edit,) = change.plan["edits"]
    assert edit["path"].endswith("clusters/spoke-a/fleet/fleet-secret/values.yaml")
    assert 'mine: "1"' in edit["after"]
    # The change can be edited like any other: its form knows what was asked for.
    assert change.form_data["pin_mine"] == "1"
    assert place.get("requester", f"/changes/{change.pk}/edit/").status_code == 200
    own = place.post("requester", f"/changes/{change.pk}/approve/", {"digest": change.plan_digest})
    assert own.status_code == 403
    decision = {"digest": change.plan_digest, "confirm": "spoke-a", "reason": "Agreed."}
    assert place.post("approver", f"/changes/{change.pk}/approve/", decision).status_code == 302


def test_it_writes_what_the_hub_has_and_never_what_was_posted(
    place: Place, cluster: Cluster
) -> None:
    live(cluster, {"mine": "1"})
    place.post("requester", ADOPT, {"label": "mine", "mine": "999", "value": "999"})
    assert "999" not in str(Change.objects.get().plan)


@pytest.mark.parametrize("label", ["tenant", "mine", "addonsRelease", ""])
def test_it_adopts_nothing_that_does_not_differ_or_cannot_be_set(
    place: Place, cluster: Cluster, label: str
) -> None:
    live(cluster, {"tenant": "tenant2"})
    answer = place.post("requester", ADOPT, {"label": label})
    assert (answer.status_code, answer["Location"]) == (302, TAB)
    assert "Choose labels that differ" in said(place)
    assert not Change.objects.exists()


def test_it_refuses_to_adopt_a_channel_that_does_not_exist(place: Place, cluster: Cluster) -> None:
    live(cluster, {"addonsRelease": "nowhere"})
    assert place.post("requester", ADOPT, {"label": "addonsRelease"})["Location"] == TAB
    assert "nowhere" in said(place)
    assert not Change.objects.exists()


def test_it_asks_the_hub_to_look_again_and_says_that_it_did(
    place: Place, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    hub, argocd = FakeHub(), FakeArgoCD()
    monkeypatch.setattr(wiring, "hub_reader", lambda _: hub)
    monkeypatch.setattr(wiring, "argocd", lambda _: argocd)
    live(cluster, {"mine": "1"})
    assert place.post("requester", REASSERT, {})["Location"] == TAB
    assert "was asked to read Git for spoke-a again" in said(place)
    assert hub.asked == ["fleet-hub-external-secrets"]
    assert argocd.refreshed == ["fleet-secret-spoke-a"]
    event = Event.objects.get(verb="cluster.reasserted")
    assert (event.actor.username, event.cluster_name) == ("requester", "spoke-a")  # type: ignore[union-attr]
    place.post("requester", REASSERT, {})
    assert "asked a moment ago" in said(place)
    assert len(argocd.refreshed) == 1
    assert not Change.objects.exists()


def test_it_asks_for_no_registration_that_is_not_there_yet(
    place: Place, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    hub, argocd = FakeHub(), FakeArgoCD(failing=Refused("There is no such Application."))
    monkeypatch.setattr(wiring, "hub_reader", lambda _: hub)
    monkeypatch.setattr(wiring, "argocd", lambda _: argocd)
    ApplicationStatus.objects.all().delete()
    place.post("requester", REASSERT, {})
    assert "was asked to read Git for spoke-a again: 0 Applications." in said(place)
    assert hub.asked == ["fleet-hub-external-secrets"]
