"""The tenants' pages: which file sets what at each layer, what it covers, who inherits it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding import tasks, wiring
from onboarding.models import Fleet
from tests import repositories
from tests.journey.conftest import HUB, Place

MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{HUB}"
LABELS = "fleet/fleet-secret/values.yaml"


def member(name: str, environment: str) -> str:
    return (
        f'clusterName: "{name}"\ntenant: "tenant1"\nenvironment: "{environment}"\n'
        f'secretManagerSecretName: "fleet/{name}"\nuse_remote_argo: "false"\n'
        'enable_remote_addons: "false"\nenable_remote_resources: "false"\n'
    )


def own_labels(place: Place, name: str, environment: str = "dev") -> str:
    """The path of a cluster's own labels in the fleet's layout."""
    above = f"environments/{environment}/" if place.layout == "environments" else ""
    return f"addons/tenants/tenant1/{above}clusters/{name}/{LABELS}"


def register(place: Place, names: Iterable[str], environment: str = "dev", pins: int = 0) -> None:
    """Clusters of tenant1, the first `pins` of them with labels of their own."""
    files = {}
    for number, name in enumerate(names):
        files[f"{MEMBERS}/{name}.yaml"] = member(name, environment)
        if number < pins:
            files[own_labels(place, name, environment)] = (
                'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'
            )
    repositories.commit(place.bare, files)
    tasks.refresh_fleet(fleet_id=Fleet.objects.get().pk)
    tasks.refresh_standings()


def page(place: Place, path: str = "/tenants/tenant1/") -> str:
    return place.get("viewer", path).content.decode()


def rows_of(html: str, path: str) -> dict[str, str]:
    """Key -> the text of its row, of one file's table."""
    (table,) = re.findall(rf"What {re.escape(path)} sets.*?</table>", html, re.DOTALL)
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</tr>", table, re.DOTALL)
    texts = [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]
    return {text.split()[0]: text for text in texts}


def test_each_layer_says_what_it_sets_and_covers(place: Place) -> None:
    register(place, ["spoke-a"], pins=1)
    html = page(place)
    system = rows_of(html, f"addons/defaults/{LABELS}")["externalSecret.labels.addonsRelease"]
    assert "default" in system
    assert "dev" in system
    assert "spoke-a" in system
    own = rows_of(html, own_labels(place, "spoke-a"))["externalSecret.labels.addonsRelease"]
    assert re.fullmatch(r"\S+ release1 3 release1 of dev –", own)


def test_only_what_reaches_a_cluster_is_covered_by_it(place: Place) -> None:
    register(place, ["spoke-a"], pins=1)
    register(place, ["spoke-p"], environment="prod", pins=1)
    html = page(place, "/tenants/tenant1/?environment=prod")
    own = rows_of(html, own_labels(place, "spoke-p", "prod"))
    assert "default of prod" in own["externalSecret.labels.addonsRelease"]


def test_it_says_who_inherits(place: Place) -> None:
    register(place, ["spoke-a", "spoke-b"])
    register(place, ["spoke-p"], environment="prod")
    html = page(place)
    assert "inherited by 3 clusters of the fleet" in html
    assert "inherited by 2 clusters" in html
    assert "/clusters/?tenant=tenant1&amp;environment=dev" in html
    assert "No cluster yet: nobody inherits this." in html  # staging


def test_it_marks_what_nobody_reads(place: Place) -> None:
    dead = "addons/tenants/tenant1/defaults/no-such-component/values.yaml"
    stray = "addons/tenants/tenant1/elsewhere/values.yaml"
    repositories.commit(place.bare, {dead: "a: 1\n", stray: "a: 1\n"})
    register(place, ["spoke-a"])
    html = page(place)
    assert html.count("Never read</span>") == 1
    assert "No release channel has a component no-such-component" in html
    assert "<h2>Never read</h2>" in html
    assert stray in html


def test_a_broken_file_hides_no_other(place: Place) -> None:
    repositories.commit(place.bare, {f"addons/tenants/tenant1/defaults/{LABELS}": "a: [\n"})
    register(place, ["spoke-a"])
    html = page(place)
    assert "Cannot be read" in html
    assert rows_of(html, f"addons/defaults/{LABELS}")


def test_a_tenant_with_a_folder_only_is_listed(place: Place) -> None:
    register(place, ["spoke-a"])
    assert "tenant2" in page(place, "/tenants/")
    assert "tenant2" in page(place, "/tenants/tenant2/")
    assert place.get("viewer", "/tenants/tenant3/").status_code == 404


def test_a_tenant_of_many_clusters_costs_no_more(place: Place) -> None:
    register(place, ["spoke-a"], pins=1)
    with CaptureQueriesContext(connection) as few:
        page(place)
    register(place, [f"many-{number:03}" for number in range(120)], pins=60)
    with CaptureQueriesContext(connection) as many:
        html = page(place)
    assert len(many) <= len(few) + 1 <= 26
    assert "1–6 of 121 clusters" in html
    assert "many-005" in html
    assert "many-006" not in html
    # 6 of the 61 files of clusters are on this page.
    assert "55 clusters not shown have a file of their own" in html
    assert "many-006" in page(place, "/tenants/tenant1/?environment=dev&page=2")


@pytest.mark.parametrize("path", ["/tenants/", "/tenants/tenant1/"])
def test_the_pages_answer_where_the_repository_is_away(place: Place, path: str) -> None:
    register(place, ["spoke-a"])
    place.bare.rename(place.bare.with_suffix(".away"))
    wiring._copies.clear()
    assert "tenant1" in page(place, path)
