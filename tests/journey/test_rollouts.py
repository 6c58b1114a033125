"""Rollouts on their pages: previewed, asked for, approved as a whole, led, and told."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from onboarding import tasks, wiring
from onboarding.models import Change, Cluster, Fleet, Hub, Outcome, Rollout, Standing
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_registration import MEMBER

NEW = "/rollouts/new/"
NAMES = ("spoke-a", "spoke-b", "spoke-c")


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def fleet(place: Place) -> Place:
    """Three clusters on the channel of their environment, seen healthy."""
    members = {
        f"fleet/fleet-bootstrap/fleet-members/{HUB}/{name}.yaml": MEMBER.replace("spoke-a", name)
        for name in NAMES
    }
    repositories.commit(place.bare, members)
    refresh()
    seen()
    return place


def refresh() -> None:
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)


def seen(**ill: str) -> None:
    """The hub follows every commit, and each cluster is healthy but the ill ones."""
    now = wiring.clock().now() + timedelta(milliseconds=1)
    for cluster in Cluster.objects.all():
        Standing.objects.update_or_create(
            cluster=cluster,
            defaults={
                "fleet": cluster.fleet,
                "hub_name": HUB,
                "name": cluster.name,
                "state": ill.get(cluster.name.replace("-", "_"), "healthy"),
                "sentence": "web has 0 of 3 replicas." if ill else "",
                "seen_at": now,
                "computed_at": now,
            },
        )
    for change in Change.objects.filter(deliveries__state="committed"):
        Outcome.objects.update_or_create(
            delivery=change.deliveries.latest("pk"),
            defaults={"state": "agrees", "since": now, "checked_at": now},
        )


def typed(**changed: str) -> dict[str, str]:
    return {
        "label": "addonsRelease",
        "source": "release1",
        "target": "default",
        "by": "list",
        "key": "",
        "waves": "spoke-a\nspoke-b spoke-c",
        "soak": "0",
        "patience": "15",
        "title": "Add-ons back to default",
    } | changed


def page(place: Place, who: str = "viewer") -> str:
    path = f"/rollouts/{Rollout.objects.latest('pk').pk}/"
    return reading.text(place.get(who, path), "rollout-part")


def asked(place: Place) -> Rollout:
    answer = place.post("requester", NEW, typed())
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    return Rollout.objects.latest("pk")


def approved(place: Place) -> Rollout:
    rollout = asked(place)
    here = f"/rollouts/{rollout.pk}/"
    fields = reading.form(place.get("approver", here), f"{here}approve/")
    answer = place.post("approver", f"{here}approve/", fields | {"reason": "As agreed."})
    assert answer.status_code == 302
    rollout.refresh_from_db()
    assert rollout.state == "running"
    return rollout


def lead() -> None:
    """The beat, a worker, and what the hub then shows."""
    tasks.lead_rollouts()
    tasks.deliver(fleet_id=Fleet.objects.get().pk)
    refresh()
    seen()


def moved(place: Place) -> set[str]:
    return {
        path.split("/")[4]
        for path in repositories.tree(place.bare)
        if path.endswith("fleet/fleet-secret/values.yaml")
        and "/clusters/" in path
        and 'addonsRelease: "default"' in repositories.git(place.bare, "show", f"main:{path}")
    }


def test_it_previews_each_wave_and_stores_nothing(fleet: Place) -> None:
    query = urlencode(typed(waves="spoke-a\nspoke-b"))
    answer = fleet.get("requester", f"{NEW}?{query}")

    said = reading.words(answer)
    assert answer.status_code == 200
    assert "2 clusters in 2 waves" in said
    assert "No wave names it, so it stays where it is." in said
    assert not Change.objects.exists()
    assert not Rollout.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"waves": "nobody"}, "There is no cluster called nobody."),
        ({"waves": " "}, "This field is required."),
        ({"target": "release1"}, "another one that they shall go to"),
        ({"target": "release99"}, ""),
        ({"by": "label"}, "Say which label"),
        ({"source": "release9"}, "No cluster that is on release9"),
        ({"soak": "-1"}, "greater than or equal to 0"),
    ],
)
def test_it_says_at_the_form_what_cannot_be(
    fleet: Place, changed: dict[str, str], said: str
) -> None:
    answer = fleet.post("requester", NEW, typed(**changed))

    assert answer.status_code == 422
    assert said in reading.words(answer)
    assert not Rollout.objects.exists()
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"target": "release99"}, "None of these clusters can be moved; each says why."),
        ({"source": "release9"}, "No cluster would be moved"),
    ],
)
def test_its_preview_offers_no_request_where_nothing_can_be_moved(
    fleet: Place, changed: dict[str, str], said: str
) -> None:
    answer = fleet.get("requester", f"{NEW}?{urlencode(typed(**changed))}")
    words = reading.words(answer)
    assert said in words
    assert "Request approval" not in words


def test_it_moves_wave_after_wave_and_says_so(fleet: Place) -> None:
    asked_for = asked(fleet)
    assert "Waiting for approval" in page(fleet)
    assert "so somebody else has to decide" in reading.words(
        fleet.get("requester", f"/rollouts/{asked_for.pk}/")
    )
    fleet.post("requester", f"/rollouts/{asked_for.pk}/stop/", {"reason": "Anew."})
    approved(fleet)

    lead()
    assert moved(fleet) == {"spoke-a"}
    assert "Held" in page(fleet)
    for _ in range(3):
        lead()
    assert moved(fleet) == set(NAMES)
    for _ in range(3):
        lead()
    assert "Every wave has passed its gate." in page(fleet)
    assert "2 of 2" in reading.text(fleet.get("viewer", "/rollouts/"), "rollout-list-part")


def test_it_says_which_cluster_stopped_it_and_goes_back_by_one_click(fleet: Place) -> None:
    rollout = approved(fleet)
    lead()
    seen(spoke_a="degraded")
    tasks.lead_rollouts()

    said = page(fleet)
    assert "Paused" in said
    assert "spoke-a: Degraded. web has 0 of 3 replicas." in said
    assert "Revert" not in page(fleet, "viewer")
    here = f"/rollouts/{rollout.pk}/"
    fields = reading.form(fleet.get("requester", here), f"{here}revert/")
    fleet.post("requester", f"{here}revert/", fields)
    for _ in range(3):
        lead()
    rollout.refresh_from_db()
    assert (rollout.state, moved(fleet)) == ("reverted", set())
    assert "Every cluster is back in Git." in page(fleet)


def test_a_finished_one_is_moved_back_by_one_click_and_one_approval(fleet: Place) -> None:
    rollout = approved(fleet)
    for _ in range(6):
        seen()
        lead()
    rollout.refresh_from_db()
    assert rollout.state == "done"
    here = f"/rollouts/{rollout.pk}/"
    assert "Move back" not in page(fleet, "viewer")
    assert fleet.post("viewer", f"{here}revert/", {}).status_code == 403
    fields = reading.form(fleet.get("requester", here), f"{here}revert/")
    answer = fleet.post("requester", f"{here}revert/", fields)
    back = Rollout.objects.latest("pk")
    assert (answer.headers["Location"], back.undoes) == (f"/rollouts/{back.pk}/", rollout)
    assert "Leads back from" in fleet.get("viewer", f"/rollouts/{back.pk}/").content.decode()
    assert f'href="/rollouts/{back.pk}/"' in fleet.get("viewer", here).content.decode()
    again = fleet.post("requester", f"{here}revert/", fields)
    assert again.headers["Location"] == here
    assert Rollout.objects.count() == 2


def test_it_says_on_a_change_that_it_waits_for_its_wave(fleet: Place) -> None:
    approved(fleet)
    lead()
    change = Change.objects.get(cluster_name="spoke-b")

    page = fleet.get("requester", f"/changes/{change.pk}/")
    said = reading.text(page, "change-detail-part")
    assert "Approved with its rollout; it is written when its wave begins." in said
    assert "Add-ons back to default, Wave 2" in said
    assert f"/changes/{change.pk}/edit/" not in reading.html(page)


def test_it_calls_no_row_delivered_that_waits_for_its_wave(fleet: Place) -> None:
    approved(fleet)
    lead()
    held = Change.objects.filter(state="approved", deliveries=None)
    assert held
    listed = reading.words(fleet.get("requester", "/changes/?inbox=all"))
    assert "it is written when its wave begins" in listed
    assert "Held" in listed
    # The rollout stands for them among what somebody asked for.
    inbox = reading.words(fleet.get("requester", "/inbox/"))
    assert not [one for one in held if f"Edit {one.cluster_name}" in inbox]
    assert Rollout.objects.get().title in inbox


def test_it_takes_silence_for_no_health(fleet: Place) -> None:
    approved(fleet)
    lead()
    Standing.objects.update(computed_at=wiring.clock().now() - timedelta(minutes=10))
    tasks.lead_rollouts()

    assert "Nobody has looked at it for a while" in page(fleet)
    assert Rollout.objects.get().state == "paused"


@pytest.mark.parametrize("path", ["/rollouts/", "/rollouts/{pk}/"])
def test_it_asks_the_database_as_often_for_many_as_for_few(
    fleet: Place,
    path: str,
    django_assert_max_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    rollout = asked(fleet)
    assert Hub.objects.count() == 1
    with django_assert_max_num_queries(25):
        assert fleet.get("viewer", path.format(pk=rollout.pk)).status_code == 200
