"""Editing what many clusters share, as pages: choose, type, foresee, ask, approve, and see who has it."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding import tasks, wiring
from onboarding.models import Change, Cluster, ClusterStatus, Fleet, Hub, HubWatch
from tests import repositories
from tests.journey.conftest import Place
from tests.journey.test_tenants import LABELS, own_labels, register

TENANT = f"addons/tenants/tenant1/defaults/{LABELS}"
METRICS = "addons/defaults/metrics-server/values.yaml"
ADDRESS = f"/layers/edit/?file={TENANT}&tenant=tenant1"


@pytest.fixture
def there(place: Place) -> Place:
    register(place, ["spoke-a", "spoke-b"])
    return place


def typed(path: str = TENANT, **rows: str) -> dict[str, str]:
    """New keys typed below what the file sets."""
    found = {"file": path, "tenant": "tenant1"}
    for number, (key, value) in enumerate(rows.items(), start=60):
        found |= {f"key-{number}": key, f"value-{number}": value}
    return found


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def text_of(content: str | bytes) -> str:
    return content.decode() if isinstance(content, bytes) else content


def asked(place: Place, form: dict[str, str]) -> Change:
    answer = place.post("requester", "/layers/edit/", form)
    assert answer.status_code == 302, words(answer.content.decode())
    return Change.objects.latest("pk")


def approve(place: Place, change: Change) -> None:
    place.post(
        "approver",
        f"/changes/{change.pk}/approve/",
        {"digest": change.plan_digest, "reason": "asked for", "confirm": change.about},
    )
    change.refresh_from_db()
    assert change.state == "approved"
    tasks.deliver(fleet_id=change.fleet_id)


def test_it_is_reached_from_the_tenant_by_who_may_ask(there: Place) -> None:
    html = there.get("requester", "/tenants/tenant1/").content.decode()
    assert "/layers/edit/?tenant=tenant1" in html
    assert f"file={TENANT.replace('/', '%2F')}" in html
    assert own_labels(there, "spoke-a").replace("/", "%2F") not in html
    assert "/layers/edit/" not in there.get("viewer", "/tenants/tenant1/").content.decode()


def test_it_offers_each_shared_layer_and_component(there: Place) -> None:
    html = there.get("requester", "/layers/edit/?tenant=tenant1").content.decode()
    assert "environment dev" in html
    assert '<option value="tenant" selected>' in html, "who comes from a tenant means the tenant"
    assert ">cluster<" not in html
    assert "metrics-server (addons)" in html
    answer = there.get("requester", "/layers/edit/?tenant=tenant1&layer=tenant&component=labels")
    assert answer.status_code == 302
    assert TENANT.replace("/", "%2F") in answer["Location"]
    for wrong in ("layer=cluster&component=labels", "layer=tenant&component=nothing/x"):
        assert there.get("requester", f"/layers/edit/?tenant=tenant1&{wrong}").status_code == 422


def test_it_shows_what_the_file_sets(there: Place) -> None:
    html = there.get("requester", ADDRESS).content.decode()
    assert "enable_quota_defaults" in html
    assert "Change a key, or add one" in html
    assert "1 more key" in html  # an annotation


def test_it_foresees_every_cluster_while_typing(there: Place) -> None:
    form = typed(enable_external_secrets="true")
    part = there.post(
        "requester", "/layers/edit/preview/", form, HTTP_HX_REQUEST="true"
    ).content.decode()
    assert "<html" not in part
    assert "2 clusters move" in words(part)
    assert "spoke-a" in part
    assert "enable_external_secrets" in part
    whole = there.post("requester", "/layers/edit/preview/", form).content.decode()
    assert "<html" in whole
    assert "2 clusters move" in words(whole)
    assert 'value="enable_external_secrets"' in whole
    assert not Change.objects.exists()


def test_it_says_that_no_cluster_moves(there: Place) -> None:
    for name in ("spoke-a", "spoke-b"):
        text = 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
        repositories.commit(there.bare, {own_labels(there, name): text})
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    part = there.post(
        "requester", "/layers/edit/preview/", typed(addonsRelease="default")
    ).content.decode()
    assert "No cluster moves" in words(part)
    assert own_labels(there, "spoke-a") in part


def test_it_refuses_at_the_key(there: Place) -> None:
    form = typed(enable_x="yes", tenant="other", password="hunter2")
    answer = there.post("requester", "/layers/edit/", form)
    assert answer.status_code == 422
    said = words(answer.content.decode())
    assert "enable_x is either true or false" in said
    assert "tenant is reserved" in said
    assert "password looks like a secret" in said
    assert not Change.objects.exists()


def test_it_refuses_kinds_that_do_not_fit(there: Place) -> None:
    form = typed(METRICS, replicas="three", on="maybe", **{"a..b": "x"})
    form |= {"type-60": "number", "type-61": "switch"}
    answer = there.post("requester", "/layers/edit/", form)
    assert answer.status_code == 422
    said = words(answer.content.decode())
    assert "Write a whole number" in said
    assert "Write true or false" in said
    assert "dots between its names" in said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("README.md", "no values file of the fleet"),
        ("../../etc/passwd", "no values file of the fleet"),
        (TENANT, "cannot be edited here"),
    ],
)
def test_it_says_why_a_file_cannot_be_edited(there: Place, path: str, said: str) -> None:
    if path == TENANT:
        repositories.commit(there.bare, {TENANT: "a: [\n"})
        tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    html = words(there.get("requester", f"/layers/edit/?file={path}").content.decode())
    assert said in html
    assert there.post("requester", "/layers/edit/", {"file": path}).status_code == 422


def test_it_goes_the_whole_way(there: Place) -> None:
    before = repositories.tree(there.bare)[TENANT]
    change = asked(there, typed(enable_external_secrets="true"))
    html = there.get("approver", f"/changes/{change.pk}/").content.decode()
    assert "Edit layer tenant1" in html
    assert "2 clusters move" in words(html)
    assert "tab=values" not in html
    approve(there, change)
    after = repositories.tree(there.bare)[TENANT]
    assert after != before
    assert text_of(after).replace('    enable_external_secrets: "true"\n', "") == text_of(before)
    assert "Edit layer tenant1" in there.get("viewer", "/changes/?inbox=all").content.decode()


def test_it_counts_who_has_it(there: Place) -> None:
    change = asked(there, typed(brandNew="yes"))
    approve(there, change)
    hub = Hub.objects.get()
    now = wiring.clock().now()
    HubWatch.objects.update_or_create(hub=hub, defaults={"seen_at": now, "clusters_seen_at": now})
    for name, labels in (("spoke-a", {"brandNew": "yes"}), ("spoke-b", {})):
        ClusterStatus.objects.create(
            hub=hub,
            name=name,
            server=f"https://{name}",
            labels=labels,
            first_seen_at=now,
            seen_at=now,
        )
    tasks.refresh_standings()
    html = there.get("viewer", f"/changes/{change.pk}/").content.decode()
    assert "1 of 2 clusters have it" in html
    assert re.search(r'href="/clusters/hub-cluster/spoke-b/">spoke-b</a>: The label', html)


def test_it_is_edited_again_while_it_waits(there: Place) -> None:
    change = asked(there, typed(enable_external_secrets="true"))
    answer = there.get("requester", f"/changes/{change.pk}/edit/")
    assert answer.status_code == 302
    html = there.get("requester", answer["Location"]).content.decode()
    assert 'value="enable_external_secrets"' in html
    form = typed(enable_external_secrets="false") | {"change": str(change.pk), "seen": "1"}
    assert asked(there, form).pk == change.pk
    change.refresh_from_db()
    assert change.revision == 2
    again = typed(enable_external_secrets="true") | {"change": str(change.pk), "seen": "1"}
    assert there.post("requester", "/layers/edit/", again).status_code == 422


def test_it_is_not_sent_twice(there: Place) -> None:
    first = asked(there, typed(enable_external_secrets="true"))
    assert asked(there, typed(enable_external_secrets="true")).pk == first.pk


def test_an_unchanged_row_asks_for_nothing(there: Place) -> None:
    form = typed() | {
        "key-0": "enable_quota_defaults",
        "was-0": '"true"',
        "value-0": "true",
    }
    answer = there.post("requester", "/layers/edit/", form)
    assert answer.status_code == 422
    assert "Change at least one key" in answer.content.decode()
    change = asked(there, form | {"remove-0": "on"})
    assert change.destructive
    assert change.plan["edits"][0]["after"].count("enable_quota_defaults") == 0


def test_a_value_is_written_as_its_kind(there: Place) -> None:
    form = typed(METRICS, **{"extra.replicas": "3", "extra.on": "true", '"a.b".c': "text"})
    form |= {"type-60": "number", "type-61": "switch"}
    change = asked(there, form)
    after = change.plan["edits"][0]["after"]
    assert "extra:\n" in after
    assert re.search(r"\breplicas: 3\n", after)
    assert re.search(r'"?on"?: true\n', after)
    assert 'a.b:\n  c: "text"\n' in after


def test_the_plan_of_many_clusters_costs_no_more(there: Place) -> None:
    change = asked(there, typed(brandNew="yes"))
    there.get("approver", f"/changes/{change.pk}/")
    with CaptureQueriesContext(connection) as few:
        there.get("approver", f"/changes/{change.pk}/")
    register(there, [f"many-{number:03}" for number in range(60)])
    there.get("approver", f"/changes/{change.pk}/")
    assert Cluster.objects.count() == 62
    with CaptureQueriesContext(connection) as many:
        html = there.get("approver", f"/changes/{change.pk}/").content.decode()
    assert "62 clusters move" in words(html)
    assert len(many) <= len(few) <= 30
    second = there.get("approver", f"/changes/{change.pk}/?page=2").content.decode()
    assert second != html


def test_the_preview_of_many_clusters_costs_no_more(there: Place) -> None:
    form = typed(brandNew="yes")
    there.post("requester", "/layers/edit/preview/", form)
    with CaptureQueriesContext(connection) as few:
        there.post("requester", "/layers/edit/preview/", form)
    register(there, [f"many-{number:03}" for number in range(60)])
    with CaptureQueriesContext(connection) as many:
        html = there.post("requester", "/layers/edit/preview/", form).content.decode()
    assert "62 clusters move" in words(html)
    assert len(many) <= len(few) + 1 <= 20
