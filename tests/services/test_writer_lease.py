"""One writer at a time: the lease goes to one worker, and who lost it writes nothing more."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from onboarding.models import Fleet, WriterLease
from onboarding.services.delivery import writer_lease
from onboarding.services.delivery.writer_lease import Lease, LeaseLost

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> Fleet:
    return Fleet.objects.create(name="fleet-a")


def take(fleet: Fleet, holder: str) -> Lease | None:
    return writer_lease.acquire(fleet_id=fleet.pk, holder=holder, seconds=60)


def taken(fleet: Fleet, holder: str) -> Lease:
    found = take(fleet, holder)
    assert found is not None
    return found


def expire() -> None:
    WriterLease.objects.update(until=F("until") - timedelta(seconds=61))


def test_it_lets_one_worker_write(fleet: Fleet) -> None:
    first = taken(fleet, "one")
    assert take(fleet, "two") is None
    assert take(fleet, "one") is None, "another attempt of the same worker is another holder"
    assert (WriterLease.objects.get().holder, first.fence) == ("one", 1)
    assert writer_lease.held().count() == 1


def test_it_gives_each_holder_a_greater_fence(fleet: Fleet) -> None:
    first = taken(fleet, "one")
    writer_lease.release(first)
    assert not writer_lease.held().exists()
    second = taken(fleet, "two")
    expire()
    third = taken(fleet, "three")
    assert first.fence < second.fence < third.fence


def test_it_keeps_a_lease_that_is_renewed(fleet: Fleet) -> None:
    lease = taken(fleet, "one")
    WriterLease.objects.update(until=F("until") - timedelta(seconds=50))
    writer_lease.renew(lease)
    WriterLease.objects.update(until=F("until") - timedelta(seconds=50))
    assert take(fleet, "two") is None


def test_it_stops_who_lost_it(fleet: Fleet) -> None:
    lost = taken(fleet, "one")
    expire()
    holder = taken(fleet, "two")
    with pytest.raises(LeaseLost):
        writer_lease.renew(lost)
    writer_lease.release(lost)
    assert WriterLease.objects.get().holder == "two"
    writer_lease.renew(holder)


def test_it_holds_up_no_other_fleet(fleet: Fleet) -> None:
    taken(fleet, "one")
    taken(Fleet.objects.create(name="fleet-b"), "two")
    assert writer_lease.held().count() == 2
