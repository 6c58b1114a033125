"""A change of the deployment model from the form: in three changes, and never ahead of the hub."""

from __future__ import annotations

from django.utils import timezone

from onboarding import tasks
from onboarding.models import Change, ClusterStatus, Delivery, Fleet
from tests import repositories
from tests.journey.conftest import Place
from tests.journey.test_registration import MEMBER, MEMBER_PATH

URL = "/clusters/hub-cluster/spoke-a/edit/"
EDITING = {"editing_hub": "hub-cluster", "editing_name": "spoke-a"}
SWITCH = {**EDITING, "model": "distributed", "remote_addons": "on", "remote_resources": "on"}
HANDED = MEMBER + 'handover: "true"\n'


def registered(place: Place, text: str) -> None:
    """The member file is in the repository, and the index has seen it."""
    repositories.commit(place.bare, {MEMBER_PATH: text})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)


def test_it_asks_for_three_changes_where_one_would_delete(place: Place) -> None:
    registered(place, MEMBER)
    page = place.get("requester", URL).content.decode()
    assert "Before add-ons or resources go from one Argo CD to the other" in page
    answer = place.post("requester", URL, SWITCH)
    assert answer.status_code == 422
    assert "first set Handover to true" in answer.content.decode()
    assert not Change.objects.exists()
    answer = place.post("requester", URL, {**EDITING, "model": "centralized", "handover": "true"})
    assert answer.status_code == 302, answer.content.decode()[-3000:]


def test_it_waits_until_the_hub_has_followed(place: Place) -> None:
    registered(place, HANDED)
    assert place.post("requester", URL, {**SWITCH, "handover": "true"}).status_code == 302
    change = Change.objects.latest("pk")
    now = timezone.now()
    seen = ClusterStatus.objects.create(
        hub=change.hub, name="spoke-a", server="https://a", first_seen_at=now, seen_at=now
    )
    approve = f"/changes/{change.pk}/approve/"
    decision = {"digest": change.plan_digest, "reason": "As agreed.", "confirm": "spoke-a"}
    answer = place.post("approver", approve, decision)
    assert answer.status_code == 422
    assert "has not followed the handover of spoke-a yet" in answer.content.decode()
    assert not Delivery.objects.exists()
    seen.labels = {"fleet_handover": "true"}
    seen.save()
    answer = place.post("approver", approve, decision)
    assert answer.status_code == 302
    assert Delivery.objects.get().state == "queued"


def test_it_offers_no_handover_to_a_cluster_that_is_new(place: Place) -> None:
    page = place.get("requester", "/clusters/register/").content.decode()
    assert 'name="handover"' not in page
    assert 'name="use_fleet_ack"' in page
