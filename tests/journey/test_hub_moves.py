"""A cluster moves to another hub by two changes: the old hub lets go first, and the new one takes over."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.utils import timezone

from onboarding import tasks
from onboarding.domain.credentials import SecretPresence
from onboarding.domain.progress import ClusterState
from onboarding.models import Change, Event, Fleet, Hub, HubMove, Offboarding, Standing
from tests import repositories
from tests.journey import reading
from tests.journey.conftest import HUB, Place
from tests.journey.leaving import MONITORING, OWN_VALUES, Leaving
from tests.journey.test_registration import MEMBER, MEMBER_PATH

pytestmark = pytest.mark.parametrize("layout", ["tenants"])
NEW = "hub-new"
PAGE = f"/clusters/{HUB}/spoke-a/move/"
NEW_PATH = MEMBER_PATH.replace(HUB, NEW)


@pytest.fixture
def leaving(place: Place) -> Leaving:
    """A cluster on the old hub, and a new hub of the same fleet."""
    found = Leaving(place)
    Hub.objects.create(fleet=Fleet.objects.get(), name=NEW, aws_region="eu-west-1")
    place.secrets.add("fleet/spoke-a")
    found.begin()
    return found


def ask(leaving: Leaving, to: str = NEW, confirm: str = "spoke-a") -> HttpResponse:
    return leaving.place.post("requester", PAGE, {"to": to, "confirm": confirm})


def decide(leaving: Leaving, change: Change, verb: str = "approve") -> None:
    page = leaving.place.get("approver", f"/changes/{change.pk}/")
    typed = {"reason": "As agreed.", "confirm": "spoke-a"}
    answer = leaving.place.post(
        "approver", f"/changes/{change.pk}/{verb}/", reading.decision(page) | typed
    )
    assert answer.status_code == 302, reading.words(answer)


def led() -> HubMove:
    tasks.lead_moves()
    return HubMove.objects.latest("pk")


def handover(leaving: Leaving) -> None:
    """The hub follows the first commit: its Applications take nothing along any more."""
    record = Offboarding.objects.latest("pk").change.plan["way"][0]
    leaving.labels = {one["key"]: one["value"] for one in record["labels_after"]}
    for name in record["impact"]["expected"]:
        group = "monitoring" if name == MONITORING else "addons"
        leaving.applications[name] = {"group": group, "cascades": group == "monitoring"}
    leaving.seen()


def left(leaving: Leaving) -> HubMove:
    """The whole way out of the old hub, with the hub following each commit."""
    assert ask(leaving).status_code == 302
    leaving.approve()
    leaving.deliver()
    for follow in (handover, Leaving.empty, Leaving.forget):
        go_on(leaving)
        follow(leaving)
    go_on(leaving)
    assert Offboarding.objects.latest("pk").state == "done"
    return led()


def go_on(leaving: Leaving) -> None:
    """Some turns of the clock and of the worker, while the hub stays as it is."""
    for _ in range(3):
        leaving.lead()
        leaving.deliver()


def files(leaving: Leaving) -> set[str]:
    return set(repositories.tree(leaving.place.bare))


def test_it_shows_both_plans_before(leaving: Leaving) -> None:
    page = leaving.place.get("requester", f"{PAGE}?to={NEW}")
    said = reading.words(page)
    assert f"1. Leave {HUB}, and keep what runs" in said
    assert f"2. Join {NEW}" in said
    assert "cluster-info-spoke-a" in said
    assert OWN_VALUES not in said
    assert not Change.objects.exists()
    assert f"?to={HUB}" not in reading.html(page)


def test_it_moves_by_two_approvals_and_never_has_two_hubs(leaving: Leaving) -> None:
    move = left(leaving)
    assert move.state == "joining"
    assert move.left_at is not None
    # Between the two it is in no folder of members, and its own values stay.
    assert MEMBER_PATH not in files(leaving)
    assert NEW_PATH not in files(leaving)
    assert OWN_VALUES in files(leaving)
    join = move.join
    assert join is not None
    assert (join.kind, join.hub.name, join.state) == ("register", NEW, "submitted")
    assert join.requester.username == "requester"
    decide(leaving, join)
    leaving.deliver()
    assert NEW_PATH in files(leaving)
    assert MEMBER_PATH not in files(leaving)
    assert repositories.tree(leaving.place.bare)[NEW_PATH]
    move = led()
    assert move.state == "joining", "it is not seen Healthy yet"
    tasks.refresh_standings()
    found = Standing.objects.filter(hub_name=NEW, name="spoke-a")
    assert found.update(state=ClusterState.HEALTHY.value) == 1
    move = led()
    assert (move.state, move.ended_at is None) == ("done", False)
    assert Event.objects.filter(verb="move.left").count() == 1
    assert Event.objects.filter(verb="move.done").count() == 1


def test_the_registration_is_as_the_member_was(leaving: Leaving) -> None:
    move = left(leaving)
    decide(leaving, move.join)  # type: ignore[arg-type]
    leaving.deliver()
    after = repositories.tree(leaving.place.bare)[NEW_PATH]
    text = after.decode() if isinstance(after, bytes) else after
    lines = {line for line in MEMBER.splitlines() if ":" in line and not line.startswith("#")}
    assert {line.split("  #")[0] for line in lines} <= set(text.splitlines())
    assert "handover" not in text
    assert "offboarding" not in text


def test_both_changes_say_that_they_are_a_move(leaving: Leaving) -> None:
    ask(leaving)
    leave = HubMove.objects.get().leave
    said = reading.words(leaving.place.get("viewer", f"/changes/{leave.pk}/"))
    assert f"spoke-a moves from {HUB} to {NEW}" in said
    assert "It is asked for when" in said
    Change.objects.filter(pk=leave.pk).update(state="withdrawn")
    Offboarding.objects.update(ended_at=timezone.now(), state="stopped")
    move = left(leaving)
    for change in (move.leave, move.join):
        html = leaving.place.get("viewer", f"/changes/{change.pk}/").content.decode()  # type: ignore[union-attr]
        for other in (move.leave, move.join):
            assert f'href="/changes/{other.pk}/"' in html  # type: ignore[union-attr]
        assert f'href="{PAGE}"' in html


def test_nothing_is_asked_of_the_new_hub_before_the_old_one_has_let_go(leaving: Leaving) -> None:
    ask(leaving)
    leaving.approve()
    leaving.deliver()
    handover(leaving)
    for _ in range(3):
        leaving.lead()
        assert led().join is None
    assert Change.objects.filter(kind="register").count() == 0


def test_it_stops_where_the_first_change_is_rejected(leaving: Leaving) -> None:
    ask(leaving)
    decide(leaving, HubMove.objects.get().leave, "reject")
    move = led()
    assert (move.state, move.join) == ("stopped", None)
    assert MEMBER_PATH in files(leaving)
    assert ask(leaving).status_code == 302


def test_it_says_that_nobody_has_the_cluster_where_the_second_is_rejected(leaving: Leaving) -> None:
    move = left(leaving)
    decide(leaving, move.join, "reject")  # type: ignore[arg-type]
    assert led().state == "stopped"
    said = reading.words(leaving.place.get("viewer", PAGE))
    assert "is on no hub now" in said


def test_it_waits_and_says_why_where_the_new_hub_cannot_take_it(leaving: Leaving) -> None:
    ask(leaving)
    leaving.approve()
    leaving.deliver()
    for follow in (handover, Leaving.empty, Leaving.forget):
        go_on(leaving)
        follow(leaving)
    go_on(leaving)
    other = MEMBER.replace("spoke-a", "spoke-z").replace("fleet/spoke-z", "fleet/spoke-a")
    repositories.commit(leaving.place.bare, {NEW_PATH.replace("spoke-a", "spoke-z"): other})
    move = led()
    assert (move.state, move.join) == ("leaving", None)
    assert f"{NEW} cannot take it yet" in move.note
    assert "is used already" in reading.words(leaving.place.get("viewer", PAGE))
    repositories.commit(leaving.place.bare, {NEW_PATH.replace("spoke-a", "spoke-z"): None})
    leaving.refresh()
    assert led().state == "joining"


def test_it_is_refused_where_the_new_hub_lacks_the_secret(leaving: Leaving) -> None:
    leaving.place.secrets.add("fleet/spoke-a", presence=SecretPresence.ABSENT)
    assert ask(leaving).status_code == 422
    assert not Change.objects.exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"to": HUB}, "Choose another hub"),
        ({"to": "nowhere"}, "Choose a hub of this fleet"),
        ({"confirm": "other"}, "Type spoke-a to confirm"),
    ],
)
def test_it_is_refused(leaving: Leaving, given: dict[str, str], said: str) -> None:
    answer = ask(leaving, **given)
    assert answer.status_code == 422
    assert said in reading.words(answer)
    assert not HubMove.objects.exists()
    assert not Change.objects.exists()


def test_a_spokes_own_argo_cd_is_no_hub_to_move_to(leaving: Leaving) -> None:
    other = MEMBER.replace("spoke-a", "spoke-b")
    repositories.commit(leaving.place.bare, {MEMBER_PATH.replace("spoke-a", "spoke-b"): other})
    Hub.objects.create(fleet=Fleet.objects.get(), name="spoke-b", aws_region="eu-west-1")
    leaving.refresh()
    html = reading.html(leaving.place.get("requester", PAGE))
    assert f"?to={NEW}" in html
    assert "?to=spoke-b" not in html
    assert ask(leaving, to="spoke-b").status_code == 422


def test_it_is_refused_where_the_file_says_more_than_is_known(leaving: Leaving) -> None:
    repositories.commit(leaving.place.bare, {MEMBER_PATH: f"{MEMBER}costCentre: 4711\n"})
    leaving.refresh()
    answer = ask(leaving)
    assert answer.status_code == 422
    assert "costCentre" in reading.words(answer)


def test_it_is_asked_for_once(leaving: Leaving) -> None:
    assert ask(leaving).status_code == 302
    assert ask(leaving).status_code == 422
    assert HubMove.objects.count() == 1


def test_a_viewer_sees_it_and_cannot_ask(leaving: Leaving) -> None:
    page = leaving.place.get("viewer", f"{PAGE}?to={NEW}")
    assert "may not request changes" in reading.words(page)
    assert leaving.place.post("viewer", PAGE, {"to": NEW}).status_code == 403


def test_an_offboarding_that_is_no_move_takes_the_values_along(leaving: Leaving) -> None:
    leaving.ask("keep")
    change = Offboarding.objects.get().change
    gone = [edit["path"] for edit in change.plan["way"][-1]["edits"]]
    assert OWN_VALUES in gone
    assert "to_hub" not in change.intent
