"""Effective values on the pages: of a cluster, before and after a change, side by side, and searched."""

from __future__ import annotations

import re
from html import unescape

import pytest

from onboarding import wiring
from onboarding.models import Change, Cluster, Fleet
from onboarding.services import indexing
from tests import repositories
from tests.fakes import FakeClock
from tests.journey.conftest import Place

MEMBERS = "fleet/fleet-bootstrap/fleet-members/hub-cluster"
MEMBER = """\
tenant: "tenant1"
clusterName: "{name}"
environment: "{environment}"
secretManagerSecretName: "fleet/{name}"
use_remote_argo: "false"
enable_remote_resources: "false"
enable_remote_addons: "false"
"""
INFO = "addons/tenants/tenant1/defaults/cluster-info/values.yaml"


@pytest.fixture
def layout() -> str:
    """One profile is enough here: paths are the domain's matter."""
    return "tenants"


@pytest.fixture
def fleet(place: Place) -> Fleet:
    """Two members, in dev and in prod; prod has values of its own."""
    files = {
        f"{MEMBERS}/{name}.yaml": MEMBER.format(name=name, environment=environment)
        for name, environment in (("one", "dev"), ("two", "prod"))
    }
    repositories.commit(place.bare, files)
    found = Fleet.objects.get()
    indexing.index(
        fleet=found, repository=wiring.current_repository(found, max_age=0), clock=FakeClock()
    )
    return found


def text(place: Place, path: str) -> str:
    answer = place.get("viewer", path)
    assert answer.status_code == 200
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", answer.content.decode())).split())


def test_it_shows_what_a_component_gets_and_where_from(place: Place, fleet: Fleet) -> None:
    page = text(place, "/clusters/hub-cluster/two/?tab=values&component=cluster-info")
    assert 'cluster "two" covers "" from chart' in page
    assert f"{INFO}:" in page
    assert "addons/tenants/tenant1/environments/prod/cluster-info/values.yaml" in page
    assert "charts/cluster-info" in page
    assert "not there" in page


def test_it_shows_a_broken_layer_with_its_line(place: Place, fleet: Fleet) -> None:
    repositories.commit(place.bare, {INFO: "info:\n  a: 1\n  a: 2\n"})
    wiring.current_repository(fleet, max_age=0)
    page = text(place, "/clusters/hub-cluster/two/?tab=values&component=cluster-info")
    assert f"{INFO}, line 3" in page


def test_it_compares_two_clusters(place: Place, fleet: Fleet) -> None:
    ask = "/clusters/compare/?a=hub-cluster/one&b=hub-cluster/two&component=cluster-info"
    page = text(place, ask)
    assert 'environment changed "dev"' in page
    assert '"tenant1"' not in page
    assert "equal value" in page
    assert '"tenant1"' in text(place, f"{ask}&all=1")
    assert "There is no cluster" in text(place, "/clusters/compare/?a=nobody&b=hub-cluster/two")


def test_it_shows_values_before_and_after_a_change(place: Place, fleet: Fleet) -> None:
    answer = place.post(
        "requester",
        "/clusters/hub-cluster/two/edit/",
        place.form("two", environment="prod", pin_addonsRelease="release1"),
    )
    assert answer.status_code == 302, answer.content.decode()[-2000:]
    change = Change.objects.latest("pk")
    page = text(place, f"/changes/{change.pk}/?tab=values&component=cluster-info")
    assert "catalogueVersion changed" in page
    assert '"0.3.1"' in page
    assert '"0.4.0"' in page
    new = place.post("requester", "/clusters/register/", place.form("three"))
    assert new.status_code == 302
    change = Change.objects.latest("pk")
    page = text(place, f"/changes/{change.pk}/?tab=values&component=cluster-info")
    assert 'cluster added not set "three"' in page


def test_it_finds_who_sets_a_key_and_who_overrides_it(place: Place, fleet: Fleet) -> None:
    high = "addons/tenants/tenant1/clusters/two/cluster-info/values.yaml"
    low = "addons/defaults/cluster-info/values.yaml"
    repositories.commit(
        place.bare, {low: "limits:\n  colour: blue\n", high: "limits: {colour: red}\n"}
    )
    wiring.current_repository(fleet, max_age=0)
    page = text(place, "/values/?q=limits.colour")
    assert "2 places" in page
    assert f"1 of 2 clusters covered by cluster, {high}:1" in page
    assert "1 of 1 cluster " in page
    assert "release channel addons default" in text(place, "/values/?q=catalogueVersion")
    assert "Nothing sets that key" in text(place, "/values/?q=olour")


def test_it_says_where_the_search_did_not_get_to(place: Place, fleet: Fleet) -> None:
    from onboarding.services.value_search import search

    ticks = iter(range(0, 1000, 1))
    found = search(
        fleet=fleet,
        query="info",
        snapshot=wiring.current_repository(fleet).snapshot(),
        tick=lambda: next(ticks),
    )
    assert not found.is_complete
    assert found.files == 2 < found.of


def test_it_reads_no_row_of_each_cluster(
    place: Place, fleet: Fleet, django_assert_max_num_queries
) -> None:  # type: ignore[no-untyped-def]
    Cluster.objects.bulk_create(
        Cluster(fleet=fleet, path=f"{number}.yaml", hub_name="hub-cluster", name=f"c{number}")
        for number in range(200)
    )
    for path in (
        "/values/?q=info",
        "/clusters/compare/?a=hub-cluster/one&b=hub-cluster/two",
        "/clusters/hub-cluster/two/?tab=values",
    ):
        with django_assert_max_num_queries(24):
            place.get("viewer", path)
