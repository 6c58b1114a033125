"""A cluster that leaves for real: from the page to a hub in its own process, which has nothing of it in the end."""

from __future__ import annotations

import io

import pytest
from django.core.management import call_command

from onboarding import tasks
from onboarding.models import Approval, Change
from tests import repositories
from tests.journey import reading
from tests.journey import test_whole_way as way
from tests.journey.conftest import HUB
from tests.journey.surroundings import wait_for

installation = way.installation
secrets = way.secrets
PAGE = f"/clusters/{HUB}/spoke-a/offboard/"


@pytest.mark.parametrize(
    ("layout", "workloads", "commits"), [("tenants", "keep", 3), ("environments", "remove", 2)]
)
def test_it_leaves_nothing_of_the_cluster_and_all_of_the_others(
    installation: way.Installation, workloads: str, commits: int
) -> None:
    site = installation
    way.registered(site)
    site.work()
    site.look_until_healthy(way.APPLICATIONS)
    before, tip = repositories.tree(site.bare), repositories.tip(site.bare)
    others = site.hub.applications("spoke-old").keys()
    sent = site.send("requester", f"{PAGE}?workloads={workloads}", PAGE, confirm="spoke-a")
    change = Change.objects.latest("pk")
    assert (sent.status_code, sent.headers["Location"]) == (302, f"/changes/{change.pk}/")
    way.approve(site, change)
    site.work()

    def is_gone() -> bool:
        call_command("watch_hubs", once=True, stdout=io.StringIO())
        with site.after_commit():
            tasks.lead_offboardings()
        site.work()
        # The file that makes it a member is there as long as the hub has an Application of it.
        if way.MEMBER_PATH not in repositories.tree(site.bare):
            assert site.hub.applications("spoke-a") == {}
        return reading.verdict(site.get("viewer", PAGE)) == "Gone"

    wait_for(is_gone, seconds=120)
    assert site.hub.applications("spoke-a") == {}
    assert site.hub.labels("spoke-a") == {}
    after = repositories.tree(site.bare)
    assert before.keys() - after.keys() == {way.MEMBER_PATH, site.pins_path}
    assert all(after[path] == before[path] for path in after)
    made = repositories.git(site.bare, "rev-list", f"{tip}..main").splitlines()
    assert len(made) == commits
    assert site.hub.applications("spoke-old").keys() == others
    assert {one.user.username for one in Approval.objects.filter(change__kind="offboard")} == {
        "approver"
    }
    told = reading.words(site.get("viewer", PAGE))
    assert ("so they stay on the spoke: cluster-info-spoke-a" in told) is (workloads == "keep")
