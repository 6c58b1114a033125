"""Approval policies and the stop switch in the browser: rules, what they ask of whom, and who sees it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from onboarding import tasks
from onboarding.models import (
    Approval,
    Bulk,
    Change,
    Delivery,
    Event,
    Fleet,
    Grant,
    PolicyRule,
    StopSwitch,
)
from tests.journey.conftest import Place, signed_in
from tests.journey.test_bulk import check, decide, line, send

RULE = {
    "name": "Development",
    "environments": "dev*",
    "destroys": "any",
    "approvers": "2",
    "groups": "sre-leads",
    "kind_register": "on",
    "kind_edit": "on",
}


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.fixture
def leads(place: Place) -> Group:
    """A second approver, and a third one who is of the group that a rule wants."""
    group = Group.objects.create(name="sre-leads")
    for name in ("second", "lead"):
        person = User.objects.create_user(name, f"{name}@example.com", "x")
        person.groups.add(Group.objects.get(name="Approvers"))
        place.clients[name] = signed_in(person)
    User.objects.get(username="lead").groups.add(group)
    return group


def text(place: Place, path: str, who: str = "administrator") -> str:
    return " ".join(unescape(place.get(who, path).content.decode()).split())


def registered(place: Place, cluster: str = "spoke-a") -> Change:
    place.post("requester", "/clusters/register/", place.form(cluster))
    return Change.objects.get(cluster_name=cluster)


def approve(place: Place, change: Change, who: str) -> int:
    change.refresh_from_db()
    answer = place.post(
        who, f"/changes/{change.pk}/approve/", {"digest": change.plan_digest, "reason": "Fine."}
    )
    return answer.status_code


def test_an_administrator_makes_changes_and_removes_a_rule(place: Place, leads: Group) -> None:
    assert "No rule yet" in text(place, "/admin/policies/")
    assert place.post("administrator", "/admin/policies/add/", RULE).status_code == 302
    page = text(place, "/admin/policies/")
    assert "environment dev*; to register a cluster, edit a cluster" in page

    row = PolicyRule.objects.get()
    form = text(place, f"/admin/policies/{row.pk}/")
    assert 'value="dev*"' in form
    assert 'value="sre-leads"' in form
    changed = {**RULE, "approvers": "3", "freezes": "Fri 16:00 - Mon 08:00 Europe/Berlin"}
    assert place.post("administrator", f"/admin/policies/{row.pk}/", changed).status_code == 302
    row.refresh_from_db()
    assert row.rule["approvers"] == 3
    assert row.rule["freezes"] == ["Fri 16:00 - Mon 08:00 Europe/Berlin"]

    place.post("administrator", f"/admin/policies/{row.pk}/remove/", {})
    assert not PolicyRule.objects.exists()
    verbs = Event.objects.filter(verb__startswith="policy.").values_list("verb", flat=True)
    assert list(verbs) == ["policy.saved", "policy.saved", "policy.removed"]


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("name", "", "required"),
        ("approvers", "0", "greater than or equal to 1"),
        ("approvers", "99", "less than or equal to 9"),
        ("environments", "prod; drop", "is no name or pattern"),
        ("groups", "nobody-knows", "There is no group nobody-knows"),
        ("freezes", "weekends\nFri 16:00 - Mon 08:00 Nowhere/Land", "is no time zone"),
        ("hours", "x", "whole number"),
        ("destroys", "maybe", "Select a valid choice"),
    ],
)
def test_it_says_at_the_field_what_is_wrong_and_keeps_the_rest(
    place: Place, leads: Group, field: str, value: str, says: str
) -> None:
    answer = place.post("administrator", "/admin/policies/add/", {**RULE, field: value})
    assert answer.status_code == 422
    page = " ".join(unescape(answer.content.decode()).split())
    assert says in page
    assert 'value="dev*"' in page or field == "environments"
    assert not PolicyRule.objects.exists()


def test_it_tries_a_rule_out(place: Place, leads: Group) -> None:
    place.post("administrator", "/admin/policies/add/", RULE)
    fleet = Fleet.objects.get().name
    ask = f"/admin/policies/?fleet={fleet}&tenant=tenant1&kind=edit&environment="
    assert "Needs 2 approvals, one from sre-leads." in text(place, ask + "dev")
    assert "By Development." in text(place, ask + "dev")
    assert "No rule matches: one approval is enough." in text(place, ask + "prod")
    # What is entered is kept.
    assert 'value="prod"' in text(place, ask + "prod")


def test_it_is_asked_before_and_counted_after(place: Place, leads: Group) -> None:
    place.post("administrator", "/admin/policies/add/", RULE)
    preview = place.post("requester", "/clusters/register/preview/", place.form("spoke-a"))
    assert "Needs 2 approvals, one from sre-leads." in preview.content.decode()

    change = registered(place)
    assert "By the rule “Development”." in text(place, f"/changes/{change.pk}/", "approver")
    assert approve(place, change, "approver") == 302
    change.refresh_from_db()
    assert change.state == "submitted"

    here = f"/changes/{change.pk}/"
    mine = text(place, here, "approver")
    assert "1 of 2 approvals by approver. It needs 1 more approval, from sre-leads." in mine
    assert "You approved this plan." in mine
    assert "/approve/" not in mine
    assert "You are in none of these groups." in text(place, here, "second")
    assert approve(place, change, "second") == 422
    assert "/approve/" in text(place, here, "lead")
    assert "1 of 2 approvals" in text(place, "/changes/?inbox=all", "viewer")

    assert approve(place, change, "lead") == 302
    change.refresh_from_db()
    assert change.state == "approved"
    assert Delivery.objects.filter(change=change).count() == 1

    evidence = place.get("viewer", f"{here}evidence.json").json()
    assert [one["who"] for one in evidence["decisions"]] == ["approver", "lead"]
    assert evidence["change"]["demand"]["approvers"] == 2
    demands = [one["detail"].get("demand") for one in evidence["trail"]["events"]]
    assert demands[0]["groups"] == ["sre-leads"]


def test_the_inbox_has_what_somebody_can_decide_now(place: Place, leads: Group) -> None:
    place.post("administrator", "/admin/policies/add/", RULE)
    change = registered(place)
    waiting = "Changes that wait for me: "
    assert f"{waiting}1" in text(place, "/", "approver")
    assert f"{waiting}0" in text(place, "/", "requester")
    approve(place, change, "approver")
    assert f"{waiting}0" in text(place, "/", "approver"), "approved already"
    assert f"{waiting}0" in text(place, "/", "second"), "somebody of the group is needed"
    assert f"{waiting}1" in text(place, "/", "lead")
    Grant.objects.filter(group__name="Approvers").update(role="approver")
    Change.objects.update(destructive=True)
    assert f"{waiting}0" in text(place, "/", "lead"), "that needs a right of its own"


def test_a_stop_is_seen_everywhere_until_it_ends(place: Place) -> None:
    fleet = Fleet.objects.get()
    assert "are stopped" not in text(place, "/", "viewer")
    stop, go = f"/admin/fleets/{fleet.name}/stop/", f"/admin/fleets/{fleet.name}/go/"
    place.post("administrator", stop, {"reason": " "})
    assert not StopSwitch.objects.exclude(stopped_at=None).exists()
    assert "Say why" in text(place, "/admin/policies/")

    place.post("administrator", stop, {"reason": "Outage <b>of</b> a region"})
    for path in ("/", "/changes/", "/clusters/", "/system/"):
        page = place.get("viewer", path).content.decode()
        assert f"Deliveries to {fleet.name} are stopped" in page
        assert "administrator stopped every delivery: Outage &lt;b&gt;of&lt;/b&gt; a region" in page
    assert "Let deliveries go on" in text(place, "/admin/policies/")

    change = registered(place)
    assert approve(place, change, "approver") == 302
    before = place.refs()
    tasks.deliver(fleet_id=fleet.pk)
    assert place.refs() == before
    assert "stopped every delivery" in text(place, f"/changes/{change.pk}/", "requester")

    place.post("administrator", go, {})
    assert "are stopped" not in text(place, "/", "viewer")
    tasks.deliver(fleet_id=fleet.pk)
    assert place.refs() != before
    assert Delivery.objects.get().state == "committed"


def test_it_says_why_an_approved_change_waits_again(place: Place, leads: Group) -> None:
    change = registered(place)
    approve(place, change, "approver")
    place.post("administrator", "/admin/policies/add/", {**RULE, "groups": ""})
    tasks.deliver(fleet_id=Fleet.objects.get().pk)
    page = text(place, f"/changes/{change.pk}/", "second")
    assert "It waits for approval again" in page
    assert "It needs 1 more approval by the rule “Development”." in page
    assert "could not be written" not in page
    assert approve(place, change, "second") == 302
    tasks.deliver(fleet_id=Fleet.objects.get().pk)
    assert Delivery.objects.get().state == "committed"
    assert Approval.objects.count() == 2


def test_rules_cost_a_page_of_them_no_query_each(
    place: Place, leads: Group, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    for number in range(30):
        place.post("administrator", "/admin/policies/add/", {**RULE, "name": f"Rule {number}"})
    with django_assert_max_num_queries(14):
        place.get("administrator", "/admin/policies/")


def test_a_bulk_waits_for_all_that_its_rows_need(place: Place, leads: Group) -> None:
    place.post("administrator", "/admin/policies/add/", RULE)
    send(place, line(place, "spoke-a"), line(place, "spoke-b"))
    check()
    bulk = Bulk.objects.get()
    here = f"/bulk/{bulk.pk}/"
    assert "Needs 2 approvals, one from sre-leads." in text(place, here, "viewer")
    assert "2 clusters wait for your decision." in text(place, "/inbox/", "approver")

    assert decide(place, bulk).status_code == 302
    assert "2 need another approval." in text(place, here, "approver")
    bulk.refresh_from_db()
    assert bulk.state == "proposed"
    assert not Delivery.objects.exists()
    assert "What is still needed is the approval of others" in text(place, here, "approver")
    assert "wait for your decision" not in text(place, "/inbox/", "approver")
    refused = decide(place, bulk, who="second")
    assert refused.status_code == 422
    assert "from sre-leads" in refused.content.decode()
    assert "As agreed." in refused.content.decode(), "what was typed stays"

    assert decide(place, bulk, who="lead").status_code == 302
    bulk.refresh_from_db()
    assert bulk.state == "approved"
    assert Delivery.objects.filter(state="queued").count() == 2


def test_the_inbox_has_what_one_asked_for(
    place: Place, leads: Group, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    place.post("administrator", "/admin/policies/add/", RULE)
    changes = [registered(place, f"spoke-{number}") for number in range(4)]
    approve(place, changes[0], "approver")
    page = text(place, "/inbox/", "requester")
    assert "1 of 2 approvals; the next from sre-leads." in page
    assert "0 of 2 approvals." in page
    assert "Nothing waits for you" in page
    assert "spoke-3" in text(place, "/inbox/", "approver")
    assert "spoke-0" not in text(place, "/inbox/", "approver")
    with django_assert_max_num_queries(24):
        place.get("requester", "/inbox/")
    with django_assert_max_num_queries(24):
        place.get("approver", "/inbox/")


def test_the_commands_stop_and_let_go_on(place: Place) -> None:
    name = Fleet.objects.get().name
    assert said("stop", "An outage.") == f"{name}: stopped.\n"
    assert "An outage." in text(place, "/", "viewer")
    with pytest.raises(CommandError, match="stopped already"):
        call_command("stop", "Again.")
    with pytest.raises(CommandError, match="There is no fleet nowhere"):
        call_command("stop", "Why.", fleet="nowhere")
    assert json.loads(said("go", json=True)) == {"goes_on": [{"fleet": name, "waiting": 0}]}
    with pytest.raises(CommandError, match="Nothing is stopped"):
        call_command("go")
    who = Event.objects.filter(verb="fleet.stopped").values_list("actor", "message").get()
    assert who == (None, f"A command stopped every delivery to {name}: An outage.")


def said(name: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, **options)
    return out.getvalue()
