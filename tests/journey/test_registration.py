"""From the form to the commit, on a repository of one's own, in both layout profiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError

from onboarding import tasks, wiring
from onboarding.models import Approval, Change, Cluster, Delivery, Event, Participant
from onboarding.services import auditing
from tests import repositories
from tests.journey.conftest import Place

MEMBER = """\
tenant: "tenant1"
clusterName: "spoke-a"
environment: "dev"
secretManagerSecretName: "fleet/spoke-a"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""
PINS = (
    'externalSecret:\n  labels:\n    addonsRelease: "default"\n    enable_metrics_server: "true"\n'
)
MEMBER_PATH = "fleet/fleet-bootstrap/fleet-members/hub-cluster/spoke-a.yaml"
PIN_PATHS = {
    "tenants": "addons/tenants/tenant1/clusters/spoke-a/fleet/fleet-secret/values.yaml",
    "environments": "addons/tenants/tenant1/environments/dev/clusters/spoke-a/fleet/fleet-secret/values.yaml",
}
PINNED = {"pin_addonsRelease": "default", "pin_enable_metrics_server": "true"}


def asked(place: Place, **changes: str) -> Change:
    """A registration that waits for approval."""
    answer = place.post("requester", "/clusters/register/", place.form(**changes))
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return Change.objects.latest("pk")


def approved(place: Place, change: Change) -> None:
    """The approver's decision on what the page shows."""
    place.get("approver", f"/changes/{change.pk}/")
    change.refresh_from_db()
    answer = place.post(
        "approver",
        f"/changes/{change.pk}/approve/",
        {"digest": change.plan_digest, "reason": "As agreed.", "confirm": change.cluster_name},
    )
    assert answer.status_code == 302


def test_it_becomes_one_reviewed_commit(
    place: Place, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    before = repositories.tree(place.bare)
    preview = place.post(
        "requester", "/clusters/register/preview/", place.form(**PINNED), HTTP_HX_REQUEST="true"
    )
    assert MEMBER_PATH in preview.content.decode()
    assert repositories.tree(place.bare) == before
    change = asked(place, **PINNED)
    with django_capture_on_commit_callbacks(execute=True):
        approved(place, change)
    assert ("onboarding.deliver", {"fleet_id": change.fleet_id}) in [
        (task, ids) for task, ids in place.queue.woken
    ]
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.deliver(fleet_id=change.fleet_id)
    after = repositories.tree(place.bare)
    assert {path: text.decode() for path, text in after.items() if before.get(path) != text} == {
        MEMBER_PATH: MEMBER,
        PIN_PATHS[place.layout]: PINS,
    }
    assert set(before) <= set(after)
    delivery = Delivery.objects.get()
    assert delivery.state == "committed"
    assert len(repositories.log(place.bare)) == 2
    message = repositories.log(place.bare)[0]
    assert f"Change-Id: {change.uid}" in message
    assert f"Plan-Digest: {delivery.digest}" in message
    assert "Approved-by: approver" in message
    assert auditing.verify().problem == ""


def test_it_shows_the_cluster_with_the_origin_of_its_labels(place: Place) -> None:
    approved(place, change := asked(place, **PINNED))
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.refresh_fleet(fleet_id=change.fleet_id)
    tasks.refresh_standings()
    assert (
        Cluster.objects.get(name="spoke-a").labels["enable_metrics_server"]["path"]
        == PIN_PATHS[place.layout]
    )
    assert b"spoke-a" in place.get("viewer", "/clusters/").content
    labels = place.get("viewer", "/clusters/hub-cluster/spoke-a/?tab=labels").content.decode()
    assert PIN_PATHS[place.layout] in labels
    history = place.get("viewer", "/clusters/hub-cluster/spoke-a/?tab=history").content.decode()
    assert "approved by approver" in history


def test_it_edits_a_member_and_touches_nothing_else(place: Place) -> None:
    approved(place, change := asked(place, **PINNED))
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.refresh_fleet(fleet_id=change.fleet_id)
    noted = (
        MEMBER.replace('environment: "dev"', 'environment: "dev"  # by hand')
        + 'costCentre: 4711\nhandover: "true"\n'
    )
    repositories.commit(place.bare, {MEMBER_PATH: noted})
    tasks.refresh_fleet(fleet_id=change.fleet_id)
    url = "/clusters/hub-cluster/spoke-a/edit/"
    assert b"by it. To change it, register anew" in place.get("requester", url).content
    form = {
        "editing_hub": "hub-cluster",
        "editing_name": "spoke-a",
        "model": "distributed",
        "remote_addons": "on",
        "handover": "true",
        "pin_addonsRelease": "release1",
        "pin_enable_metrics_server": "",
    }
    answer = place.post("requester", url, form)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    edit = Change.objects.latest("pk")
    approved(place, edit)
    tasks.deliver(fleet_id=edit.fleet_id)
    tree = repositories.tree(place.bare)
    expected = noted.replace('use_remote_argo: "false"', 'use_remote_argo: "true"')
    assert tree[MEMBER_PATH].decode() == expected.replace(
        'enable_remote_addons: "false"', 'enable_remote_addons: "true"'
    )
    assert (
        tree[PIN_PATHS[place.layout]].decode()
        == 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
    )


def of_others(place: Place) -> dict[str, str]:
    """Commit by hand what somebody else does meanwhile: another channel, one switch more."""
    files = {
        MEMBER_PATH: MEMBER + 'use_fleet_ack: "true"\n',
        PIN_PATHS[place.layout]: PINS.replace('"default"', '"release1"'),
    }
    repositories.commit(place.bare, files)
    return files


def test_an_edit_leaves_what_others_changed_since_the_form_was_opened(place: Place) -> None:
    approved(place, change := asked(place, **PINNED))
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.refresh_fleet(fleet_id=change.fleet_id)
    url = "/clusters/hub-cluster/spoke-a/edit/"
    hidden = {each.name: each.value for each in place.get("requester", url).context["page"].hidden}
    others = of_others(place)
    answers = {**PINNED, "model": "centralized", "pin_enable_metrics_server": "false"}
    answer = place.post("requester", url, {**hidden, **answers})
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    approved(place, edit := Change.objects.latest("pk"))
    tasks.deliver(fleet_id=edit.fleet_id)
    tree = repositories.tree(place.bare)
    assert tree[MEMBER_PATH].decode() == others[MEMBER_PATH]
    expected = others[PIN_PATHS[place.layout]].replace('"true"', '"false"')
    assert tree[PIN_PATHS[place.layout]].decode() == expected


def test_a_draft_of_an_edit_goes_on_from_what_is_today(place: Place) -> None:
    approved(place, change := asked(place, **PINNED))
    tasks.deliver(fleet_id=change.fleet_id)
    tasks.refresh_fleet(fleet_id=change.fleet_id)
    url = "/clusters/hub-cluster/spoke-a/edit/"
    hidden = {each.name: each.value for each in place.get("requester", url).context["page"].hidden}
    answers = {**PINNED, "model": "centralized", "pin_enable_metrics_server": "false"}
    draft = place.post("requester", "/clusters/register/draft/", {**hidden, **answers})
    of_others(place)
    wiring._copies.clear()
    form = place.get("requester", draft["Location"]).context["page"].form
    shown = {name: form[name].value() for name in (*PINNED, "use_fleet_ack")}
    assert shown == {
        "pin_addonsRelease": "release1",
        "pin_enable_metrics_server": "false",
        "use_fleet_ack": "true",
    }


def test_it_lets_nobody_approve_their_own_change(place: Place) -> None:
    change = asked(place)
    both = Participant.objects.get(change=change).user
    both.groups.add(Group.objects.get(name="Approvers"))
    answer = place.post(
        "requester", f"/changes/{change.pk}/approve/", {"digest": change.plan_digest}
    )
    assert answer.status_code == 422
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()
    with pytest.raises(IntegrityError):
        Participant.objects.create(change=change, user=both, role=Participant.Role.APPROVER)


def test_it_approves_only_the_digest_that_was_shown(place: Place) -> None:
    change = asked(place)
    answer = place.post(
        "approver", f"/changes/{change.pk}/approve/", {"digest": "sha256:" + "0" * 64}
    )
    assert answer.status_code == 422
    assert b"The plan has changed since you opened the page" in answer.content
    assert not Delivery.objects.exists()
    approved(place, change)
    again = place.post("approver", f"/changes/{change.pk}/approve/", {"digest": change.plan_digest})
    assert again.status_code == 422
    assert Delivery.objects.count() == 1


def test_it_lapses_where_what_it_would_do_has_changed(place: Place) -> None:
    change = asked(place)
    approved(place, change)
    path = "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml"
    text = repositories.tree(place.bare)[path].decode()
    repositories.commit(
        place.bare, {path: text.replace("labels:\n", 'labels:\n    team: "x"\n', 1)}
    )
    before = place.refs()
    tasks.deliver(fleet_id=change.fleet_id)
    change.refresh_from_db()
    assert change.state == "lapsed"
    assert place.refs() == before
    page = place.get("requester", f"/changes/{change.pk}/").content.decode()
    assert f"These files are not as they were: {path}." in page
    assert "It could not be written to Git" not in page  # it lapsed: nothing failed
    stat = place.get("administrator", "/system/").context["page"].stats[1]
    assert (stat.label, stat.value) == ("Failed deliveries", 0)
    assert place.post("requester", f"/changes/{change.pk}/resubmit/", {}).status_code == 302
    approved(place, change)
    tasks.deliver(fleet_id=change.fleet_id)
    assert MEMBER_PATH in repositories.tree(place.bare)


def test_it_rejects_only_with_a_reason_and_withdraws_before_delivery(place: Place) -> None:
    first = asked(place)
    silent = place.post("approver", f"/changes/{first.pk}/reject/", {"digest": first.plan_digest})
    assert silent.status_code == 422
    place.post(
        "approver", f"/changes/{first.pk}/reject/", {"digest": first.plan_digest, "reason": "no"}
    )
    first.refresh_from_db()
    assert first.state == "rejected"
    second = asked(place)
    approved(place, second)
    assert place.post("requester", f"/changes/{second.pk}/withdraw/", {}).status_code == 302
    before = place.refs()
    tasks.deliver(fleet_id=second.fleet_id)
    assert place.refs() == before
    assert Event.objects.filter(verb="change.withdrawn").count() == 1


def test_it_offers_a_flag_as_soon_as_git_has_the_component(place: Place) -> None:
    query = (
        "?hub=hub-cluster&tenant=tenant1&environment=dev&cluster=spoke-a&pin_addonsRelease=default"
    )
    assert b"enable_brand_new" not in place.get("requester", f"/clusters/register/{query}").content
    path = "charts/application-sets/values.yaml"
    text = repositories.tree(place.bare)[path].decode()
    new = "  brand-new: {group: addons, flag: enable_brand_new, namespace: new, source: {path: charts/cluster-info}}\n"
    repositories.commit(place.bare, {path: text.replace("components:\n", f"components:\n{new}", 1)})
    wiring._copies.clear()
    assert b"pin_enable_brand_new" in place.get("requester", f"/clusters/register/{query}").content


def test_it_tests_its_connections_in_plain_words(place: Place) -> None:
    works = place.post("administrator", "/admin/fleets/platform/test/", {}).content.decode()
    assert "Works" in works
    place.bare.rename(place.bare.with_suffix(".away"))
    failed = place.post("administrator", "/admin/fleets/platform/test/", {}).content.decode()
    assert "does not exist" in failed
    hub = place.post("administrator", "/admin/hubs/hub-cluster/test/", {}).content.decode()
    assert "no API address yet" in hub
    assert "no Argo CD address yet" in hub
