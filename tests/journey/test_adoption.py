"""Adopting a repository in the pages: asked, read by a worker, shown, confirmed, indexed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding import tasks, wiring
from onboarding.models import Adoption, Cluster, Fleet, Hub
from onboarding.services import adopting
from tests import repositories
from tests.domain.test_layout_detection import MEMBER
from tests.fakes import FakeClock
from tests.journey.conftest import HUB, Place

ASK = "/admin/fleets/adopt/"


def form(place: Place, **changes: str) -> dict[str, str]:
    return {
        "name": "found",
        "repository_url": str(place.bare),
        "branch": "main",
        "layout": "",
    } | changes


def ask(place: Place, **changes: str) -> Adoption:
    answer = place.post("administrator", ASK, form(place, **changes))
    assert answer.status_code == 302, answer.content.decode()
    adoption = Adoption.objects.get()
    assert answer["Location"] == f"{ASK}{adoption.pk}/"
    return adoption


def page(place: Place, adoption: Adoption) -> str:
    return place.get("administrator", f"{ASK}{adoption.pk}/").content.decode()


def test_it_shows_what_is_found_and_adopts_it_when_told_to(place: Place) -> None:
    member = f"fleet/fleet-bootstrap/fleet-members/{HUB}/spoke-a.yaml"
    repositories.commit(place.bare, {member: MEMBER})
    before = place.refs()
    adoption = ask(place)
    assert "A worker reads the repository in a moment" in page(place, adoption)
    assert Fleet.objects.filter(name="found").count() == 0
    tasks.adopt(adoption_id=adoption.pk)
    shown = page(place, adoption)
    assert "A fleet with 1 members. Nothing is adopted yet." in shown
    assert f"fleet-hub-external-secrets.yaml:{repositories.line_of_members()}" in shown
    assert "tenant1" in shown
    assert "release1" in shown
    assert "Not understood" not in shown
    place.post("administrator", f"{ASK}{adoption.pk}/confirm/", {})
    fleet = Fleet.objects.get(name="found")
    assert (fleet.layout, fleet.layout_data) == (place.layout, None)
    tasks.adopt(adoption_id=adoption.pk)
    assert "1 members are indexed. Git is untouched." in page(place, adoption)
    assert Cluster.objects.get(fleet=fleet).addons_release == "release1"
    assert place.refs() == before


@pytest.mark.parametrize("layout", ["tenants"], indirect=True)
class TestInOneLayout:
    """What does not depend on the layout."""

    def test_it_says_that_a_repository_is_no_fleet(self, place: Place, tmp_path: Path) -> None:
        other = repositories.bare_repository(tmp_path / "other.git", {"README.md": "x\n"})
        adoption = ask(place, repository_url=str(other))
        tasks.adopt(adoption_id=adoption.pk)
        shown = page(place, adoption)
        assert "This repository is not a fleet" in shown
        assert "Adopt this fleet" not in shown
        place.post("administrator", f"{ASK}{adoption.pk}/confirm/", {})
        assert not Fleet.objects.filter(name="found").exists()
        again = place.get("administrator", f"{ASK}?again={adoption.pk}").content.decode()
        assert str(other) in again

    def test_it_does_each_step_once_whoever_asks(self, place: Place) -> None:
        adoption = ask(place)
        tasks.adopt(adoption_id=adoption.pk)
        tasks.adopt(adoption_id=adoption.pk)
        for _ in range(2):
            place.post("administrator", f"{ASK}{adoption.pk}/confirm/", {})
        assert Fleet.objects.filter(name="found").count() == 1
        Adoption.objects.update(state=Adoption.State.INDEXING)
        tasks.adopt(adoption_id=adoption.pk)
        assert Adoption.objects.get().state == Adoption.State.INDEXING, "another worker has it"

    def test_it_goes_on_after_a_worker_that_died(self, place: Place) -> None:
        adoption = ask(place)
        Adoption.objects.update(state=Adoption.State.LOOKING)
        place.queue.woken.clear()
        adopting.sweep(queue=place.queue, clock=wiring.clock())
        assert not place.queue.woken
        late = FakeClock(wiring.clock().now() + timedelta(minutes=3))
        adopting.sweep(queue=place.queue, clock=late)
        assert place.queue.woken == [(adopting.TASK, {"adoption_id": adoption.pk})]
        adopting.work(
            adoption_id=adoption.pk, visit=wiring.visit, repository=wiring.repository, clock=late
        )
        assert Adoption.objects.get().state == Adoption.State.FOUND

    def test_it_takes_a_layout_that_is_described(self, place: Place) -> None:
        own = (
            "layers: [{name: cluster, pattern: '{base}/{cluster}/{component}.yaml'}]\n"
            "bases: {fleet: addons, addons: addons}\n"
        )
        bad = place.post("administrator", ASK, form(place, layout="own", layout_text="layers: 3"))
        assert bad.status_code == 422
        assert "it needs a list of layers" in bad.content.decode()
        adoption = ask(place, layout="own", layout_text=own)
        assert adoption.layout_data is not None
        assert adoption.layout_data["layers"][0]["pattern"] == "{base}/{cluster}/{component}.yaml"

    @pytest.mark.parametrize("who", ["viewer", "requester", "approver"])
    def test_it_is_for_administrators(self, place: Place, who: str) -> None:
        adoption = ask(place)
        assert place.get(who, ASK).status_code == 403
        assert place.post(who, ASK, form(place)).status_code == 403
        assert place.get(who, f"{ASK}{adoption.pk}/").status_code == 403
        assert place.post(who, f"{ASK}{adoption.pk}/confirm/", {}).status_code == 403
        assert Adoption.objects.count() == 1

    def test_it_looks_again_by_itself_without_javascript_while_it_waits(self, place: Place) -> None:
        refresh = '<noscript><meta http-equiv="refresh" content="5"></noscript>'
        adoption = ask(place)
        assert refresh in page(place, adoption).partition("</head>")[0]
        tasks.adopt(adoption_id=adoption.pk)
        assert "http-equiv" not in page(place, adoption)

    def test_it_answers_the_part_alone_from_few_queries(self, place: Place) -> None:
        adoption = ask(place)
        tasks.adopt(adoption_id=adoption.pk)
        url = f"{ASK}{adoption.pk}/"
        with CaptureQueriesContext(
            connection,
        ) as queries:
            part = place.get("administrator", url, HTTP_HX_REQUEST="true").content.decode()
        assert part.lstrip().startswith('<div id="adoption-part"')
        assert len(queries) <= 10

    def test_it_is_offered_where_there_is_no_fleet(self, place: Place) -> None:
        Hub.objects.all().delete()
        Fleet.objects.all().delete()
        for url in ("/clusters/", "/admin/fleets/"):
            assert ASK in place.get("administrator", url).content.decode(), url

    def test_it_keeps_a_fleets_own_layout_when_the_fleet_is_edited(self, place: Place) -> None:
        fleet = Fleet.objects.get()
        data = {
            "name": "own",
            "layers": [{"name": "cluster", "pattern": "{base}/{cluster}/{component}.yaml"}],
            "bases": {"fleet": "addons"},
        }
        Fleet.objects.update(layout="own", layout_data=data)
        shown = place.get("administrator", f"/admin/fleets/{fleet.name}/").content.decode()
        assert "{base}/{cluster}/{component}.yaml" in shown
        saved = place.post(
            "administrator",
            f"/admin/fleets/{fleet.name}/",
            form(place, name=fleet.name, layout="own", layout_text=str(data)),
        )
        assert saved.status_code == 302
        fleet.refresh_from_db()
        assert fleet.layout_data is not None
        assert fleet.layout_data["layers"] == data["layers"]
