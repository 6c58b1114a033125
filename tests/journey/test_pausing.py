"""One cluster is paused: asked for with a reason and an end, told, and ended by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from onboarding import tasks, wiring
from onboarding.domain.labels import SKIP_RECONCILE
from onboarding.models import (
    ApplicationStatus,
    Approval,
    Change,
    Cluster,
    ClusterPause,
    ClusterStatus,
    Event,
    Fleet,
    Hub,
    HubObject,
    HubWatch,
    Standing,
)
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.test_registration import MEMBER, MEMBER_PATH, approved

PAGE = f"/clusters/{HUB}/spoke-a/"
PAUSE = f"{PAGE}pause/"
LINE = 'paused: "true"'


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def fleet(place: Place) -> Place:
    """A registered cluster whose hub is seen."""
    place.secrets.add("fleet/spoke-a")
    repositories.commit(place.bare, {MEMBER_PATH: MEMBER})
    refresh()
    return place


def refresh() -> None:
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    now = wiring.clock().now()
    HubWatch.objects.update_or_create(
        hub=Hub.objects.get(), defaults={"seen_at": now, "clusters_seen_at": now}
    )


def deliver() -> None:
    tasks.deliver(fleet_id=Fleet.objects.get().pk)
    refresh()


def live(annotations: dict[str, str]) -> None:
    """The hub's cluster secret carries these annotations."""
    cluster, now = Cluster.objects.get(), wiring.clock().now()
    ClusterStatus.objects.update_or_create(
        hub=Hub.objects.get(),
        name="spoke-a",
        defaults={
            "server": "https://a.example",
            "labels": {key: data["value"] for key, data in cluster.labels.items()},
            "annotations": annotations,
            "connection": "Successful",
            "first_seen_at": now,
            "seen_at": now,
        },
    )
    tasks.refresh_standings()


def asked(place: Place, **typed: str) -> Change:
    answer = place.post("requester", PAUSE, {"hours": "4", "reason": "A migration.", **typed})
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    return Change.objects.latest("pk")


def paused(place: Place) -> ClusterPause:
    change = asked(place)
    approved(place, change)
    deliver()
    return ClusterPause.objects.get()


def member(place: Place) -> str:
    return repositories.git(place.bare, "show", f"main:{MEMBER_PATH}")


def over() -> None:
    """The time of the pause has come."""
    pause = ClusterPause.objects.get()
    now = wiring.clock().now()
    ClusterPause.objects.filter(pk=pause.pk).update(
        created_at=now - timedelta(hours=5), until=now - timedelta(seconds=1)
    )


def test_it_is_written_by_one_approved_commit(fleet: Place) -> None:
    before = member(fleet)
    change = asked(fleet)
    assert change.plan["edits"][0]["path"] == MEMBER_PATH
    assert LINE not in member(fleet)

    approved(fleet, change)
    deliver()

    assert [line for line in member(fleet).splitlines() if line not in before.splitlines()] == [
        LINE
    ]
    assert Cluster.objects.get().annotations[SKIP_RECONCILE]["value"] == "true"


def test_its_approver_reads_that_it_is_a_pause_until_when_and_why(fleet: Place) -> None:
    change = asked(fleet)
    until = f"{ClusterPause.objects.get().until:%Y-%m-%d %H:%M}"
    page = fleet.get("approver", f"/changes/{change.pk}/")
    assert "<h1" in reading.html(page)
    said = reading.words(page)
    assert "Pause spoke-a" in said
    assert f"Argo CD leaves the cluster alone until {until}" in reading.text(
        page, "change-detail-part"
    )
    assert "A migration." in reading.text(page, "change-detail-part")
    for listed in ("/inbox/", "/changes/?inbox=all", "/", "/search/?q=spoke-a"):
        assert "Pause spoke-a" in reading.words(fleet.get("approver", listed)), listed


def test_its_page_says_where_it_is_from_the_request_to_its_end(fleet: Place) -> None:
    change = asked(fleet)
    assert "nothing of it is in Git yet" in reading.words(fleet.get("requester", PAUSE))
    approved(fleet, change)
    assert "on its way to Git" in reading.words(fleet.get("requester", PAUSE))
    deliver()
    said = reading.words(fleet.get("requester", PAUSE))
    assert "It ends by itself at its time." in said
    assert f"{ClusterPause.objects.get().until:%Y-%m-%d %H:%M}" in said
    over()
    tasks.end_pauses()
    assert "the commit that takes it out of Git is on its way" in reading.words(
        fleet.get("requester", PAUSE)
    )
    ended = Change.objects.latest("pk")
    assert "End the pause of spoke-a" in reading.words(fleet.get("viewer", f"/changes/{ended.pk}/"))


def test_it_loses_nothing_of_what_was_typed_where_it_is_refused(fleet: Place) -> None:
    answer = fleet.post("requester", PAUSE, {"hours": "168", "reason": " "})
    assert answer.status_code == 422
    assert '<option value="168" selected>' in reading.html(answer)


def test_it_says_paused_and_never_green(fleet: Place) -> None:
    pause = paused(fleet)
    now = wiring.clock().now()
    ApplicationStatus.objects.create(
        hub=Hub.objects.get(),
        uid="one",
        name="web-spoke-a",
        cluster_name="spoke-a",
        sync="Synced",
        health="Healthy",
        verdict="healthy",
        first_seen_at=now,
        seen_at=now,
    )
    assert "does not say so yet" in reading.text(fleet.get("viewer", PAGE), "cluster-detail-part")

    live({SKIP_RECONCILE: "true"})

    page = fleet.get("viewer", PAGE)
    assert reading.verdict(page) == "Paused"
    said = reading.text(page, "cluster-detail-part")
    assert "Argo CD leaves it alone: nothing is compared, synced or healed." in said
    assert f"Paused by requester until {pause.until:%Y-%m-%d %H:%M} UTC: A migration." in said
    assert "what it said last is old" in said
    listed, _, _ = reading.html(page).partition(">web-spoke-a</span>")
    assert "</span>Stale</span>" in listed[-400:]
    assert "Healthy" not in listed.partition("fui-verdict")[2]
    row = Standing.objects.get()
    assert (row.state, row.healthy, row.counts) == ("paused", 0, {"Stale": 1})
    assert "spoke-a" in reading.text(
        fleet.get("viewer", "/clusters/?state=paused"), "cluster-list-part"
    )


@pytest.mark.parametrize(("value", "is_paused"), [("true", True), ("1", True), ("false", False)])
def test_it_says_so_too_where_a_hand_on_the_hub_paused_it(
    fleet: Place, value: str, is_paused: bool
) -> None:
    live({SKIP_RECONCILE: value})

    page = fleet.get("viewer", PAGE)
    assert (reading.verdict(page) == "Paused") is is_paused
    assert ("Git does not" in reading.text(page, "cluster-detail-part")) is is_paused


def test_it_ends_by_itself_when_its_time_has_come(fleet: Place) -> None:
    before = member(fleet)
    paused(fleet)
    tasks.end_pauses()
    assert LINE in member(fleet)

    over()
    for _ in range(2):
        tasks.end_pauses()
    deliver()
    tasks.end_pauses()

    assert member(fleet) == before
    pause = ClusterPause.objects.get()
    assert (pause.ended_at is not None, pause.note) == (True, "Its end is in Git.")
    assert Change.objects.count() == 2
    assert set(Approval.objects.values_list("user__username", flat=True)) == {"approver"}
    assert Event.objects.filter(verb="change.approved").count() == 2


def test_it_ends_by_itself_whatever_else_was_edited_meanwhile(fleet: Place) -> None:
    paused(fleet)
    text = member(fleet)
    repositories.commit(fleet.bare, {MEMBER_PATH: f'{text}\nuse_fleet_ack: "true"\n'})
    refresh()
    over()

    tasks.end_pauses()
    deliver()
    tasks.end_pauses()

    assert LINE not in member(fleet)
    assert 'use_fleet_ack: "true"' in member(fleet)
    assert ClusterPause.objects.get().ended_at is not None


def test_it_is_ended_before_its_time_by_one_click(fleet: Place) -> None:
    paused(fleet)
    fields = reading.form(fleet.get("requester", PAUSE), f"{PAUSE}end/")
    assert fleet.post("requester", f"{PAUSE}end/", fields).status_code == 302

    tasks.end_pauses()
    deliver()

    assert LINE not in member(fleet)


def test_it_does_not_begin_when_its_time_has_passed(fleet: Place) -> None:
    change = asked(fleet)
    over()
    tasks.end_pauses()

    change.refresh_from_db()
    assert change.state == "withdrawn"
    assert ClusterPause.objects.get().ended_at is not None
    assert LINE not in member(fleet)


def test_it_ends_with_a_change_that_was_rejected(fleet: Place) -> None:
    change = asked(fleet)
    fields = reading.decision(fleet.get("approver", f"/changes/{change.pk}/"))
    fleet.post("approver", f"/changes/{change.pk}/reject/", fields | {"reason": "Not now."})
    tasks.end_pauses()

    assert ClusterPause.objects.get().note == "Its change was rejected."


def test_it_refuses_what_has_no_reason_or_is_there_already(fleet: Place) -> None:
    for typed in ({"reason": " "},):
        answer = fleet.post("requester", PAUSE, {"hours": "4", "reason": "x", **typed})
        assert answer.status_code == 422
        assert "Say why" in reading.words(answer)
    assert fleet.post("requester", PAUSE, {"hours": "9000", "reason": "x"}).status_code == 404
    assert not Change.objects.exists()

    asked(fleet)
    answer = fleet.post("requester", PAUSE, {"hours": "4", "reason": "Again."})
    assert answer.status_code == 422
    assert Change.objects.count() == 1
    pause = ClusterPause.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        ClusterPause.objects.filter(pk=pause.pk).update(reason="")


def test_it_refuses_where_the_repositorys_chart_knows_no_pauses(fleet: Place) -> None:
    path = "charts/fleet-secret/templates/_checks.tpl"
    text = repositories.git(fleet.bare, "show", f"main:{path}")
    repositories.commit(fleet.bare, {path: text.replace(SKIP_RECONCILE, "another")})
    refresh()

    answer = fleet.post("requester", PAUSE, {"hours": "4", "reason": "A migration."})

    assert answer.status_code == 422
    assert "knows pauses" in reading.words(answer)


def test_it_refuses_where_the_hubs_registration_does_not_hand_the_key_on(fleet: Place) -> None:
    hub, now = Hub.objects.get(), wiring.clock().now()
    patch = '{{ range $key := list "tenant" "enable_remote_addons" }}{{ end }}'
    spec = {
        "generators": [{"git": {"files": [{"path": "fleet/fleet-bootstrap/fleet-members/*"}]}}],
        "templatePatch": patch,
    }
    row = HubObject.objects.create(
        hub=hub,
        uid="set",
        kind="applicationsets",
        name="registers",
        facts={"spec": spec},
        seen_at=now,
    )

    answer = fleet.post("requester", PAUSE, {"hours": "4", "reason": "A migration."})

    assert answer.status_code == 422
    assert "registers on hub-cluster does not hand the key paused" in reading.words(answer)
    assert ClusterPause.objects.count() == 0

    spec["templatePatch"] = patch.replace('"tenant"', '"tenant" "paused"')
    HubObject.objects.filter(pk=row.pk).update(facts={"spec": spec})
    asked(fleet)


def test_it_refuses_where_a_set_does_not_mark_its_applications(fleet: Place) -> None:
    hub, now = Hub.objects.get(), wiring.clock().now()
    live({})
    selector = {"matchLabels": {"tenant": Cluster.objects.get().labels["tenant"]["value"]}}
    facts: dict[str, Any] = {
        "metadata": {"name": "web", "labels": {}},
        "spec": {"goTemplate": True},
    }
    facts["spec"]["generators"] = [{"clusters": {"selector": selector}}]
    row = HubObject.objects.create(
        hub=hub, uid="web", kind="applicationsets", name="web", facts=facts, seen_at=now
    )

    answer = fleet.post("requester", PAUSE, {"hours": "4", "reason": "A migration."})

    assert answer.status_code == 422
    assert f"web on hub-cluster does not hand {SKIP_RECONCILE} on" in reading.words(answer)
    assert ClusterPause.objects.count() == 0

    facts["spec"]["template"] = {"metadata": {"annotations": {SKIP_RECONCILE: "{{ x }}"}}}
    HubObject.objects.filter(pk=row.pk).update(facts=facts)
    asked(fleet)
