"""What the hubs say becomes rows: lists, watches, exchanged hubs, poison, and one writer only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from onboarding.domain.errors import Refused, TooLarge, Transient
from onboarding.models import (
    ApplicationStatus,
    Cluster,
    ClusterStatus,
    Fleet,
    Heartbeat,
    Hub,
    HubObject,
    HubWatch,
)
from onboarding.ports import (
    HubEvent,
    HubEventType,
    HubKind,
    HubPage,
    ListExpired,
    RegisteredCluster,
)
from onboarding.services.observing import controller_watch, hub_parts, observations
from onboarding.services.observing.observation_rows import UNREADABLE
from onboarding.services.observing.observations import Listing, LostWatch, Watch
from onboarding.services.observing.verdicts import facts_of
from tests.fakes import START, FakeArgoCD, FakeClock, FakeHub

pytestmark = pytest.mark.django_db

COMMIT = "a" * 40
CANARY = "eyJhbGciOiJSUzI1NiJ9.canary"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def hub() -> Hub:
    fleet = Fleet.objects.create(name="fleet", repository_url="https://git.example.com/fleet.git")
    return Hub.objects.create(fleet=fleet, name="hub-cluster")


@pytest.fixture
def watch(hub: Hub, clock: FakeClock) -> Watch:
    found = observations.claim(hub=hub, holder="watcher-1", clock=clock)
    assert found is not None
    return found


def application(name: str, version: str = "5", **status: Any) -> dict[str, Any]:
    """A synced and healthy Application, but for the given parts of its status."""
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": version,
            "labels": {"fleet/component": "metrics-server", "fleet/release": "default"},
            "ownerReferences": [{"kind": "ApplicationSet", "name": "metrics-server"}],
        },
        "spec": {
            "destination": {"name": "spoke-dev", "namespace": "kube-system"},
            "sources": [
                {
                    "chart": "metrics-server",
                    "targetRevision": "3.12.2",
                    "helm": {"valueFiles": ["$values/addons/defaults/metrics-server/values.yaml"]},
                }
            ],
        },
        "status": {
            "sync": {"status": "Synced", "revisions": ["3.12.2", COMMIT]},
            "health": {"status": "Healthy"},
            "operationState": {"phase": "Succeeded", "finishedAt": "2026-03-02T08:58:00Z"},
            "reconciledAt": "2026-03-02T08:59:00Z",
            **status,
        },
    }


def event(kind: HubEventType, item: Mapping[str, Any]) -> HubEvent:
    return HubEvent(kind, item, str(item["metadata"].get("resourceVersion", "")))


def list_applications(watch: Watch, reader: FakeHub, clock: FakeClock, size: int = 2) -> Listing:
    return observations.list_kind(
        watch=watch, kind=HubKind.APPLICATIONS, reader=reader, clock=clock, page_size=size
    )


def names() -> list[str]:
    return list(ApplicationStatus.objects.values_list("name", flat=True))


class HeavyHub(FakeHub):
    """Answers at most three objects at once; more would be too large to be read."""

    most = 3

    def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
        self.asked.append(f"{limit} from {continue_token}")
        if limit > self.most:
            raise TooLarge("The hub's answer is larger than 128 MiB.")
        return super().list_page(kind, limit=limit, continue_token=continue_token)


def test_it_asks_for_fewer_objects_where_so_many_are_too_large(
    watch: Watch, clock: FakeClock
) -> None:
    reader = HeavyHub()
    for name in "abcde":
        reader.put(HubKind.APPLICATIONS, application(name))
    assert list_applications(watch, reader, clock, size=8).count == 5
    assert names() == ["a", "b", "c", "d", "e"]
    assert reader.asked == ["8 from ", "2 from ", "2 from 2", "2 from 4"]


def test_it_gives_up_where_a_single_object_is_too_large(watch: Watch, clock: FakeClock) -> None:
    reader = HeavyHub()
    reader.most = 0
    with pytest.raises(TooLarge):
        list_applications(watch, reader, clock)


# --- who may write -----------------------------------------------------------------------------


def test_it_lets_one_watcher_observe_a_hub(hub: Hub, clock: FakeClock) -> None:
    first = observations.claim(hub=hub, holder="watcher-1", clock=clock)
    assert observations.claim(hub=hub, holder="watcher-2", clock=clock) is None
    clock.advance(31)
    second = observations.claim(hub=hub, holder="watcher-2", clock=clock)
    assert first is not None
    assert second is not None
    assert second.fence == first.fence + 1
    assert not observations.keep(watch=first, clock=clock)
    assert observations.keep(watch=second, clock=clock)


def test_it_keeps_a_lease_that_is_renewed(hub: Hub, watch: Watch, clock: FakeClock) -> None:
    for _ in range(4):
        clock.advance(20)
        assert observations.keep(watch=watch, clock=clock)
    assert observations.claim(hub=hub, holder="watcher-2", clock=clock) is None


def test_it_lets_go_at_once_when_released(hub: Hub, watch: Watch, clock: FakeClock) -> None:
    observations.release(watch=watch)
    assert observations.claim(hub=hub, holder="watcher-2", clock=clock) is not None


def test_it_writes_nothing_once_the_watch_is_lost(hub: Hub, watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, application("a"))
    listing = list_applications(watch, reader, clock)
    clock.advance(31)
    observations.claim(hub=hub, holder="watcher-2", clock=clock)

    changed = application("a", "99", health={"status": "Degraded"})
    with pytest.raises(LostWatch):
        observations.apply_events(
            watch=watch,
            listing=listing,
            events=[event(HubEventType.MODIFIED, changed)],
            clock=clock,
        )
    with pytest.raises(LostWatch):
        list_applications(watch, reader, clock)
    argocd = FakeArgoCD(known=[registered("spoke-dev")])
    with pytest.raises(LostWatch):
        observations.observe_clusters(watch=watch, argocd=argocd, clock=clock)
    with pytest.raises(LostWatch):
        hub_parts.report_problem(watch=watch, part="x", problem="late", clock=clock)
    observations.release(watch=watch)

    assert ApplicationStatus.objects.get().health == "Healthy"
    assert not ClusterStatus.objects.exists()
    row = HubWatch.objects.get(hub=hub)
    assert (row.problem, row.holder) == ("", "watcher-2")


def test_it_calls_a_sync_failed_that_is_tried_again_for_ever(
    watch: Watch, clock: FakeClock
) -> None:
    """With a retry policy without a limit Argo CD itself calls it Running until it succeeds."""
    reader, denied = FakeHub(), application("metrics-server-spoke-dev")
    operation = denied["status"]["operationState"]
    operation |= {"phase": "Running", "message": "denied by a policy", "retryCount": 1}
    reader.put(HubKind.APPLICATIONS, denied)
    list_applications(watch, reader, clock)
    row = ApplicationStatus.objects.get()
    assert (row.verdict, row.reason) == ("progressing", "A sync is running: denied by a policy")

    operation["retryCount"] = 3
    reader.put(HubKind.APPLICATIONS, denied)
    list_applications(watch, reader, clock)
    row = ApplicationStatus.objects.get()
    assert row.verdict == "failed"
    assert row.reason == "The sync failed, and again in 2 retries: denied by a policy"
    assert facts_of(row, heard_at=None).message == "denied by a policy"


# --- full lists --------------------------------------------------------------------------------


def test_it_writes_down_only_what_pages_need(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, application("metrics-server-spoke-dev"))
    listing = list_applications(watch, reader, clock)

    row = ApplicationStatus.objects.get()
    assert (listing.count, listing.swept) == (1, 0)
    assert (row.name, row.cluster_name, row.component, row.application_set) == (
        "metrics-server-spoke-dev",
        "spoke-dev",
        "metrics-server",
        "metrics-server",
    )
    assert (row.sync, row.health, row.verdict) == ("Synced", "Healthy", "healthy")
    assert (row.version, row.revision) == ("3.12.2", COMMIT)
    assert row.facts["value_files"] == ["$values/addons/defaults/metrics-server/values.yaml"]
    assert row.facts["release"] == "default"
    assert row.synced_at == datetime(2026, 3, 2, 8, 58, tzinfo=UTC)
    assert (row.healthy_at, row.first_seen_at, row.seen_at) == (START, START, START)
    facts = facts_of(row, heard_at=START + timedelta(seconds=9))
    assert facts.operation_finished_at == row.synced_at
    assert facts.seen_at == START + timedelta(seconds=9)


def test_it_reads_every_page_and_sweeps_what_is_gone(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    for name in "abcde":
        reader.put(HubKind.APPLICATIONS, application(name))
    list_applications(watch, reader, clock)
    reader.remove(HubKind.APPLICATIONS, "b")
    reader.remove(HubKind.APPLICATIONS, "e")
    listing = list_applications(watch, reader, clock)
    assert (listing.count, listing.swept) == (3, 2)
    assert names() == ["a", "c", "d"]


def test_it_sweeps_nothing_of_another_kind_or_hub(watch: Watch, hub: Hub, clock: FakeClock) -> None:
    other_hub = Hub.objects.create(fleet=hub.fleet, name="hub-two")
    other = observations.claim(hub=other_hub, holder="watcher-1", clock=clock)
    assert other is not None
    reader, second = FakeHub(), FakeHub("hub-uid-2")
    second.put(HubKind.APPLICATIONS, application("theirs"))
    reader.put(HubKind.EXTERNAL_SECRETS, external_secret("cluster-spoke-dev"))
    list_applications(other, second, clock)
    observations.list_kind(watch=watch, kind=HubKind.EXTERNAL_SECRETS, reader=reader, clock=clock)
    list_applications(watch, reader, clock)
    observations.list_kind(watch=watch, kind=HubKind.SECRET_STORES, reader=reader, clock=clock)
    assert names() == ["theirs"]
    assert HubObject.objects.get().name == "cluster-spoke-dev"


def test_it_tells_the_database_of_a_list_that_wrote_most_rows(
    watch: Watch, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(observations, "tidy", told.append)
    monkeypatch.setattr(observations, "_MANY", 3)
    reader = FakeHub()
    for number in range(3):
        reader.put(HubKind.APPLICATIONS, application(f"app-{number}"))
    list_applications(watch, reader, clock)
    assert told == []  # few rows are read as quickly without
    for number in range(3, 9):
        reader.put(HubKind.APPLICATIONS, application(f"app-{number}"))
    list_applications(watch, reader, clock)
    assert told == [ApplicationStatus]
    list_applications(watch, reader, clock)
    assert told == [ApplicationStatus]  # nothing was written: all say the same


def test_it_sweeps_nothing_when_a_list_breaks_off(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    for name in "abc":
        reader.put(HubKind.APPLICATIONS, application(name))
    list_applications(watch, reader, clock)

    class Breaking(FakeHub):
        def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
            if continue_token:
                raise ListExpired("too old")
            return HubPage((application("a", "50"),), "next", "60")

    with pytest.raises(ListExpired):
        list_applications(watch, Breaking(), clock)
    assert names() == ["a", "b", "c"]


def test_it_skips_rows_that_say_the_same(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    for number in range(30):
        reader.put(HubKind.APPLICATIONS, application(f"app-{number:02}"))
    list_applications(watch, reader, clock, size=30)
    clock.advance(60)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        list_applications(watch, reader, clock, size=30)
    inserted = [
        each
        for each in queries.captured_queries
        if "INSERT INTO" in each["sql"] and "applicationstatus" in each["sql"]
    ]
    assert inserted == []
    assert set(ApplicationStatus.objects.values_list("seen_at", flat=True)) == {clock.now()}
    assert set(ApplicationStatus.objects.values_list("first_seen_at", flat=True)) == {START}


def test_it_lists_anew_when_another_hub_answers(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, application("old"))
    listing = list_applications(watch, reader, clock)
    exchanged = FakeHub("hub-uid-2")
    exchanged.put(HubKind.EXTERNAL_SECRETS, external_secret("cluster-new"))
    observations.list_kind(
        watch=watch, kind=HubKind.EXTERNAL_SECRETS, reader=exchanged, clock=clock
    )
    with pytest.raises(ListExpired):
        observations.apply_events(watch=watch, listing=listing, events=[], clock=clock)
    list_applications(watch, exchanged, clock)
    assert names() == []
    assert HubWatch.objects.get().identity == "hub-uid-2"


def test_it_knows_a_demo_hub_by_its_version(watch: Watch, clock: FakeClock) -> None:
    class Demo(FakeHub):
        def version(self) -> str:
            return "v1.34.4+demo"

    list_applications(watch, FakeHub(), clock)
    assert not HubWatch.objects.get().demo
    list_applications(watch, Demo(), clock)
    assert HubWatch.objects.get().demo
    assert HubWatch.objects.get().version == "v1.34.4+demo"


# --- watches -----------------------------------------------------------------------------------


@pytest.fixture
def listing(watch: Watch, clock: FakeClock) -> Listing:
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, application("a"))
    reader.put(HubKind.APPLICATIONS, application("b"))
    return list_applications(watch, reader, clock)


def apply(watch: Watch, listing: Listing, clock: FakeClock, *events: HubEvent) -> str:
    return observations.apply_events(watch=watch, listing=listing, events=events, clock=clock)


def test_it_follows_additions_changes_and_deletions(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    newest = apply(
        watch,
        listing,
        clock,
        event(HubEventType.ADDED, application("c", "20")),
        event(HubEventType.MODIFIED, application("a", "21", sync={"status": "OutOfSync"})),
        event(HubEventType.DELETED, application("b", "22")),
        HubEvent(HubEventType.BOOKMARK, {}, "30"),
    )
    assert newest == "30"
    assert names() == ["a", "c"]
    row = ApplicationStatus.objects.get(name="a")
    assert (row.sync, row.verdict, row.synced_at, row.healthy_at) == (
        "OutOfSync",
        "out_of_sync",
        None,
        None,
    )


def test_it_ignores_events_that_come_twice_or_late(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    new = event(HubEventType.MODIFIED, application("a", "30", health={"status": "Degraded"}))
    old = event(HubEventType.MODIFIED, application("a", "29"))
    gone = event(HubEventType.DELETED, application("a", "28"))
    apply(watch, listing, clock, new, old)
    apply(watch, listing, clock, old, gone)
    apply(watch, listing, clock, new)
    row = ApplicationStatus.objects.get(name="a")
    assert (row.health, row.resource_version) == ("Degraded", "30")


def test_it_keeps_the_order_of_deletion_and_creation(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    again = application("a", "42")
    again["metadata"]["uid"] = "uid-of-the-second-life"
    apply(
        watch,
        listing,
        clock,
        event(HubEventType.DELETED, application("a", "41")),
        event(HubEventType.ADDED, again),
        event(HubEventType.ADDED, application("x", "43")),
        event(HubEventType.DELETED, application("x", "44")),
    )
    assert names() == ["a", "b"]
    assert ApplicationStatus.objects.get(name="a").uid == "uid-of-the-second-life"


def test_it_brings_nothing_back_that_was_deleted(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    """What was said before the deletion comes once more, at once and much later."""
    late = event(HubEventType.MODIFIED, application("a", "41"))
    gone = event(HubEventType.DELETED, application("a", "42"))
    apply(watch, listing, clock, gone, late)
    apply(watch, listing, clock, late)
    assert names() == ["b"]
    apply(watch, listing, clock, event(HubEventType.ADDED, application("a", "43")))
    assert names() == ["a", "b"]


def test_it_keeps_rows_of_a_watch_when_the_next_list_has_them(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    apply(watch, listing, clock, event(HubEventType.ADDED, application("c", "20")))
    assert ApplicationStatus.objects.get(name="c").generation == listing.generation


def test_it_believes_nothing_of_what_was_asked_for_before(watch: Watch, clock: FakeClock) -> None:
    """A release moves on: the Application says Synced and Healthy of the version before, for a while."""
    before = application("dns")
    asked = before["spec"]["sources"][0]
    sync = {**before["status"]["sync"], "comparedTo": {"sources": [asked]}}
    before["status"]["sync"] = sync
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, before)
    listing = list_applications(watch, reader, clock)
    row = ApplicationStatus.objects.get()
    assert (row.verdict, row.version) == ("healthy", "3.12.2")

    after = application("dns", "6", sync=sync)
    after["spec"]["sources"][0]["targetRevision"] = "3.13.0"
    apply(watch, listing, clock, event(HubEventType.MODIFIED, after))
    row.refresh_from_db()
    assert (row.verdict, row.version, row.sync) == ("progressing", "3.13.0", "Synced")
    assert (row.synced_at, row.healthy_at) == (None, None)
    clock.advance(seconds=60)
    observations.judge_again(watch=watch, clock=clock)
    row.refresh_from_db()
    assert row.verdict == "progressing"

    sync = {**sync, "comparedTo": {"sources": after["spec"]["sources"]}}
    compared = {**application("dns", "7", sync=sync), "spec": after["spec"]}
    apply(watch, listing, clock, event(HubEventType.MODIFIED, compared))
    row.refresh_from_db()
    assert row.verdict == "healthy"


def test_it_says_that_a_silent_hub_was_heard(
    hub: Hub, watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    clock.advance(40)
    assert apply(watch, listing, clock) == ""
    assert observations.heard_at(hub_id=hub.pk) == clock.now()
    assert ApplicationStatus.objects.get(name="a").seen_at == START


def test_it_leaves_a_sign_of_life_for_a_completed_round(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    beat = Heartbeat.objects.get(part="watch:hub-cluster:applications")
    assert (beat.at, beat.detail) == (START, "listed 2")
    clock.advance(2)
    apply(watch, listing, clock)
    assert Heartbeat.objects.get(part=beat.part).at == START
    clock.advance(4)
    apply(watch, listing, clock)
    assert Heartbeat.objects.get(part=beat.part).at == clock.now()


def test_it_remembers_since_when_an_application_is_synced_and_healthy(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    clock.advance(100)
    apply(watch, listing, clock, event(HubEventType.MODIFIED, application("a", "50")))
    row = ApplicationStatus.objects.get(name="a")
    assert (row.healthy_at, row.first_seen_at) == (START, START)
    moved = application("a", "51")
    moved["status"]["sync"]["revisions"] = ["3.12.2", "b" * 40]
    moved["status"]["operationState"]["finishedAt"] = "2026-03-02T09:01:00Z"
    moved["status"]["reconciledAt"] = "2026-03-02T09:01:30Z"
    apply(watch, listing, clock, event(HubEventType.MODIFIED, moved))
    row.refresh_from_db()
    assert row.synced_at == datetime(2026, 3, 2, 9, 1, tzinfo=UTC)


# --- poison ------------------------------------------------------------------------------------

ROTTEN: list[Any] = [
    {"metadata": {"name": "rotten", "uid": "u", "resourceVersion": "9"}, "status": "a text"},
    {"metadata": {"name": "rotten", "uid": "u"}, "spec": [1], "status": {"sync": None}},
    {"metadata": {"name": "rotten", "uid": "u", "labels": ["x"]}, "status": {"conditions": 7}},
    {
        "metadata": {"name": "rotten\x00\ud800", "uid": "u"},
        "status": {"health": {"status": "\x00"}},
    },
    {"metadata": {"name": "rotten", "uid": "u"}, "status": {"sync": {"status": "S" * 900}}},
    {"metadata": {"name": "rotten", "uid": "u"}, "spec": {"destination": {"name": "d" * 9000}}},
    {"metadata": {"name": "rotten"}},
]


@pytest.mark.parametrize("item", ROTTEN)
def test_it_shows_a_malformed_application_as_unknown_and_goes_on(
    watch: Watch, clock: FakeClock, item: Any
) -> None:
    class Rotten(FakeHub):
        def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
            return HubPage((application("a"), item, application("z")), "", "60")

    listing = list_applications(watch, Rotten(), clock)
    assert listing.count == 3
    rows = {row.name[:6]: row.verdict for row in ApplicationStatus.objects.all()}
    assert rows == {"a": "healthy", "rotten": "unknown", "z": "healthy"}


@pytest.mark.parametrize(
    "item", [{}, {"metadata": None}, {"metadata": {"uid": 5}}, {"metadata": []}]
)
def test_it_counts_what_has_no_name(watch: Watch, clock: FakeClock, item: Any) -> None:
    class Rotten(FakeHub):
        def list_page(self, kind: HubKind, *, limit: int, continue_token: str = "") -> HubPage:
            return HubPage((item, application("z")), "", "60")

    list_applications(watch, Rotten(), clock)
    assert names() == ["z"]
    assert HubWatch.objects.get().kinds["applications"]["unreadable"] == 1


def test_it_sets_an_application_set_aside_that_is_nested_too_deeply(
    watch: Watch, clock: FakeClock
) -> None:
    nested: Any = {"git": {}}
    for _ in range(100):
        nested = {"matrix": {"generators": [nested]}}
    reader = FakeHub()
    for name, generators in (("bad", [nested]), ("good", [{"clusters": {}}])):
        reader.put(
            HubKind.APPLICATION_SETS,
            {"metadata": {"name": name, "uid": name}, "spec": {"generators": generators}},
        )
    observations.list_kind(watch=watch, kind=HubKind.APPLICATION_SETS, reader=reader, clock=clock)
    bad, good = HubObject.objects.order_by("name")
    assert (bad.message, bad.facts, bad.ready) == (UNREADABLE, {}, None)
    assert good.facts["spec"] == {"generators": [{"clusters": {}}]}


def test_it_keeps_a_huge_application_small(watch: Watch, clock: FakeClock) -> None:
    huge = application("huge", resources=[{"name": "r" * 1000}] * 1500)
    huge["status"]["conditions"] = [{"type": "SyncError", "message": "m" * 50_000}] * 200
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, huge)
    list_applications(watch, reader, clock)
    row = ApplicationStatus.objects.get()
    assert row.verdict == "failed"
    assert len(str(row.facts)) < 60_000
    assert len(row.reason) <= 2000


def test_it_stores_no_credential(watch: Watch, clock: FakeClock) -> None:
    item = application("a")
    item["status"]["conditions"] = [
        {
            "type": "ComparisonError",
            "message": f"failed with Bearer {CANARY} at https://u:{CANARY}@h",
        }
    ]
    item["status"]["operationState"]["message"] = CANARY
    item["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": CANARY}
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, item)
    list_applications(watch, reader, clock)
    row = ApplicationStatus.objects.values().get()
    assert "canary" not in str(row)


# --- other kinds -------------------------------------------------------------------------------


def external_secret(name: str, **condition: str) -> dict[str, Any]:
    ready = {
        "type": "Ready",
        "status": "False",
        "reason": "SecretSyncedError",
        "message": "could not get secret data from provider",
        "lastTransitionTime": "2026-03-02T08:00:00Z",
        **condition,
    }
    return {
        "metadata": {"name": name, "uid": name, "labels": {"fleet/cluster": "spoke-dev"}},
        "spec": {
            "secretStoreRef": {"name": "fleet-credentials"},
            "data": [
                {
                    "secretKey": "server",
                    "remoteRef": {"key": "fleet/spoke-dev", "property": "server"},
                },
                {
                    "secretKey": "config",
                    "remoteRef": {"key": "fleet/spoke-dev", "property": "config"},
                },
            ],
            "target": {"name": name},
        },
        "status": {"conditions": [ready]},
    }


def test_it_reads_an_external_secret(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    reader.put(HubKind.EXTERNAL_SECRETS, external_secret("cluster-spoke-dev"))
    observations.list_kind(watch=watch, kind=HubKind.EXTERNAL_SECRETS, reader=reader, clock=clock)
    row = HubObject.objects.get()
    assert (row.ready, row.message) == (False, "could not get secret data from provider")
    assert row.facts["secrets"] == ["fleet/spoke-dev"]
    assert row.facts["reason"] == "SecretSyncedError"
    assert row.facts["metadata"]["labels"] == {"fleet/cluster": "spoke-dev"}
    assert row.changed_at == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_it_reads_the_selectors_and_the_error_of_an_application_set(
    watch: Watch, clock: FakeClock
) -> None:
    spec = {
        "generators": [{"clusters": {"selector": {"matchLabels": {"enable_x": "true"}}}}],
        "template": {"spec": {"project": "default"}},
        "syncPolicy": {"preserveResourcesOnDeletion": True},
    }
    failed = {"type": "ErrorOccurred", "status": "True", "message": "nil value", "reason": "R"}
    reader = FakeHub()
    reader.put(
        HubKind.APPLICATION_SETS,
        {"metadata": {"name": "x", "uid": "x"}, "spec": spec, "status": {"conditions": [failed]}},
    )
    observations.list_kind(watch=watch, kind=HubKind.APPLICATION_SETS, reader=reader, clock=clock)
    row = HubObject.objects.get()
    assert (row.ready, row.message, row.facts["reason"]) == (False, "nil value", "R")
    assert row.facts["spec"]["generators"] == spec["generators"]
    assert row.facts["spec"]["syncPolicy"] == spec["syncPolicy"]


# --- registered clusters -----------------------------------------------------------------------


def registered(name: str, **labels: str) -> RegisteredCluster:
    return RegisteredCluster(
        name=name,
        server=f"https://{name}.example.com",
        labels=labels,
        annotations={},
        connection="Successful",
        connection_message="",
        connected_at=START,
        applications=0,
        version="1.34",
    )


def test_it_follows_the_registered_clusters(watch: Watch, clock: FakeClock) -> None:
    argocd = FakeArgoCD(known=[registered("a", tier="one"), registered("b")])
    assert observations.observe_clusters(watch=watch, argocd=argocd, clock=clock) == 2
    clock.advance(5)
    argocd.known = [registered("a", tier="two"), registered("c")]
    observations.observe_clusters(watch=watch, argocd=argocd, clock=clock)
    found = {row.name: row for row in ClusterStatus.objects.all()}
    assert sorted(found) == ["a", "c"]
    assert found["a"].labels == {"tier": "two"}
    assert (found["a"].first_seen_at, found["a"].labels_changed_at) == (START, clock.now())
    clock.advance(5)
    observations.observe_clusters(watch=watch, argocd=argocd, clock=clock)
    found["a"].refresh_from_db()
    assert found["a"].labels_changed_at == START + timedelta(seconds=5)
    assert found["a"].seen_at == clock.now()


def test_it_sees_both_clusters_of_one_server(watch: Watch, clock: FakeClock) -> None:
    twins = [replace(registered(name), server="https://one.example.com") for name in ("a", "b")]
    for _ in range(2):
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=twins), clock=clock)
    assert sorted(ClusterStatus.objects.values_list("name", flat=True)) == ["a", "b"]
    observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=twins[:1]), clock=clock)
    assert ClusterStatus.objects.get().name == "a"


def test_it_counts_what_argo_cd_has_outside_its_own_namespace(
    watch: Watch, clock: FakeClock
) -> None:
    reader = FakeHub()

    def destined(name: str, /, **destination: str) -> None:
        item = application(name)
        item["spec"]["destination"] = destination
        reader.put(HubKind.APPLICATIONS, item)

    destined("dns-a", name="a")
    destined("net-a", server="https://a.example.com")
    destined("dns-twin", name="twin")
    destined("hub", name="in-cluster")
    list_applications(watch, reader, clock)

    def look(seconds: float, **counts: int) -> dict[str, int]:
        clock.advance(seconds)
        servers = {
            "twin": "https://a.example.com",
            "hub-cluster": "https://kubernetes.default.svc",
        }
        known = [
            replace(
                registered(name.replace("_", "-")),
                server=servers.get(name.replace("_", "-"), f"https://{name}.example.com"),
                applications=count,
                connected_at=clock.now(),
            )
            for name, count in counts.items()
        ]
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=known), clock=clock)
        return dict(ClusterStatus.objects.values_list("name", "unwatched"))

    # Two secrets with one server are one cluster to Argo CD; "in-cluster" is the hub by any name.
    same = {"a": 3, "twin": 3, "b": 0, "hub_cluster": 1}
    none = {"a": 0, "twin": 0, "b": 0, "hub-cluster": 0}
    assert look(0, **same) == none
    more = {**same, "a": 5, "twin": 5, "b": 1}
    assert look(60, **more) == none
    assert look(60, **more) == none, "Argo CD may only count what was deleted a moment ago"
    watch.moved.take(10)
    assert look(60, **more) == none | {"a": 2, "twin": 2, "b": 1}
    assert watch.moved.take(10) == {"a", "twin", "b"}
    assert look(5, **{**more, "a": 6, "twin": 6}) == none | {"a": 3, "twin": 3, "b": 1}

    # Nobody counts, or the Applications are not heard of: what was known stays.
    hub_parts.report_problem(watch=watch, part="applications", problem="Away.", clock=clock)
    assert look(5, **same) == none | {"a": 3, "twin": 3, "b": 1}
    list_applications(watch, reader, clock)
    assert look(5, **same) == none


def test_it_remembers_since_when_a_part_is_silent(watch: Watch, clock: FakeClock) -> None:
    def since() -> str | None:
        return HubWatch.objects.get().kinds["clusters"].get("problem_since")

    for _ in range(2):
        hub_parts.report_problem(watch=watch, part="clusters", problem="Away.", clock=clock)
        clock.advance(5)
    assert since() == START.isoformat()
    argocd = FakeArgoCD(known=[registered("a")])
    observations.observe_clusters(watch=watch, argocd=argocd, clock=clock)
    assert since() is None


def test_it_notices_that_the_application_controller_is_away(watch: Watch, clock: FakeClock) -> None:
    """Argo CD's API answers as before; only the time at which it last tried a cluster stands still."""

    def look(tried: datetime | None) -> dict[str, str]:
        known = [replace(registered(name), connected_at=tried) for name in ("a", "b")]
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=known), clock=clock)
        found = HubWatch.objects.get()
        entry: dict[str, str] = found.kinds["controller"]
        assert found.problem == entry.get("problem", "")
        return entry

    assert look(None) == {}  # an Argo CD that notes no times is not judged by them
    # Its clock is an hour behind ours.
    tried = START - timedelta(hours=1)
    for _ in range(3):
        clock.advance(60)
        tried += timedelta(seconds=60)
        assert look(tried)["problem"] == ""
    last = clock.now()
    clock.advance(60)
    assert look(tried)["problem"] == ""
    clock.advance(60)
    assert look(tried)["problem"] == controller_watch.PROBLEM
    clock.advance(600)
    gone = look(None)  # Argo CD has forgotten it
    assert (gone["problem"], gone["problem_since"]) == (
        controller_watch.FORGOTTEN,
        last.isoformat(),
    )
    clock.advance(5)
    assert look(tried + timedelta(seconds=900))["problem"] == ""


def test_it_notices_that_the_controller_of_one_shard_is_away(
    watch: Watch, clock: FakeClock
) -> None:
    """Its clusters are tried no more while others are: what their Applications said is old at once."""
    reader = FakeHub()
    for cluster in ("a", "b"):
        item = application(f"dns-{cluster}")
        item["spec"]["destination"]["name"] = cluster
        item["status"]["reconciledAt"] = item["status"]["operationState"]["finishedAt"]
        reader.put(HubKind.APPLICATIONS, item)
    list_applications(watch, reader, clock)

    def look(seconds: float, **tried: datetime | None) -> dict[str, str]:
        clock.advance(seconds)
        known = [replace(registered(name), connected_at=at) for name, at in tried.items()]
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=known), clock=clock)
        list_applications(watch, reader, clock)
        observations.judge_again(watch=watch, clock=clock)
        return dict(ApplicationStatus.objects.values_list("cluster_name", "verdict"))

    # Argo CD's clock is an hour ahead of ours.
    ahead = START + timedelta(hours=1)
    both = {"a": "healthy", "b": "healthy"}
    assert look(0, a=ahead, b=ahead) == both
    assert look(60, a=ahead + timedelta(seconds=60), b=ahead) == both
    assert watch.moved.take(10) >= {"a", "b"}
    assert look(60, a=ahead + timedelta(seconds=120), b=ahead) == both | {"b": "stale"}
    assert watch.moved.take(10) == {"b"}
    row = ApplicationStatus.objects.get(cluster_name="b")
    assert row.reason.endswith("since 2026-03-02 09:00 UTC. It last said: Synced, Healthy.")
    since = ClusterStatus.objects.get(name="b").untried_since
    assert since == START
    # Argo CD forgets what was noted ten minutes ago.
    assert look(600, a=ahead + timedelta(seconds=720), b=None) == both | {"b": "stale"}
    assert ClusterStatus.objects.get(name="b").untried_since == since
    again = ahead + timedelta(seconds=725)
    assert look(5, a=again, b=again) == both
    assert ClusterStatus.objects.get(name="b").untried_since is None


def test_it_judges_each_event_by_the_controller_that_is_away(
    watch: Watch, clock: FakeClock
) -> None:
    """Not some seconds later: what is written while the controller is away is stale at once."""
    reader = FakeHub()
    listing = list_applications(watch, reader, clock)

    def hear(name: str, cluster: str, version: int) -> str:
        item = application(name, str(version))
        item["spec"]["destination"]["name"] = cluster
        item["status"]["reconciledAt"] = clock.now().isoformat()
        observations.apply_events(
            watch=watch, listing=listing, events=[event(HubEventType.MODIFIED, item)], clock=clock
        )
        return ApplicationStatus.objects.get(name=name).verdict

    def look(seconds: float, **tried: datetime) -> None:
        clock.advance(seconds)
        known = [replace(registered(name), connected_at=at) for name, at in tried.items()]
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=known), clock=clock)

    look(0, a=START, b=START)
    assert [hear("dns-a", "a", 6), hear("dns-b", "b", 7)] == ["healthy", "healthy"]
    # Its shard's controller, then that of all.
    look(120, a=clock.now() + timedelta(seconds=120), b=START)
    assert [hear("dns-a", "a", 8), hear("dns-b", "b", 9)] == ["healthy", "stale"]
    assert ApplicationStatus.objects.get(name="dns-b").healthy_at is not None
    again = observations.claim(hub=Hub.objects.get(), holder="watcher-1", clock=clock)
    assert again is not None
    watch = again
    listing = list_applications(watch, reader, clock)
    assert hear("dns-b", "b", 10) == "stale", "a watcher that begins knows it too"
    look(120, a=START + timedelta(seconds=120), b=START)
    assert [hear("dns-a", "a", 11), hear("dns-b", "b", 12)] == ["stale", "stale"]
    look(5, a=clock.now(), b=clock.now())
    assert [hear("dns-a", "a", 13), hear("dns-b", "b", 14)] == ["healthy", "healthy"]


def test_it_reads_quiet_objects_anew_after_an_upgrade(
    watch: Watch, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of the same version says what the code before made of it, until it is made anew."""
    reader = FakeHub()
    for name in "abc":
        reader.put(HubKind.APPLICATIONS, application(name))
    list_applications(watch, reader, clock)

    def old_facts() -> None:
        ApplicationStatus.objects.update(facts={}, verdict="degraded")

    def verdicts() -> set[str]:
        rows = ApplicationStatus.objects.all()
        return {f"{row.verdict} {row.facts.get('operation_phase')}" for row in rows}

    old_facts()
    list_applications(watch, reader, clock)
    assert verdicts() == {"degraded None"}, "as long as it is the same code, nothing is written"
    monkeypatch.setattr(observations, "READING", "of the next version")
    list_applications(watch, reader, clock)
    assert verdicts() == {"healthy Succeeded"}
    old_facts()
    list_applications(watch, reader, clock)
    assert verdicts() == {"degraded None"}, "once is enough"


def test_it_gives_a_new_or_paused_cluster_its_time(watch: Watch, clock: FakeClock) -> None:
    paused = replace(
        registered("paused"),
        connected_at=START - timedelta(hours=1),
        annotations={"argocd.argoproj.io/skip-reconcile": "true"},
    )
    for seconds, silent in ((0, 0), (60, 0), (60, 1)):
        clock.advance(seconds)
        known = [
            replace(registered("old"), connected_at=clock.now()),
            replace(registered("new"), connected_at=None),
            paused,
        ]
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=known), clock=clock)
        rows = ClusterStatus.objects.filter(untried_since__isnull=False)
        assert list(rows.values_list("name", flat=True)) == ["new"] * silent


def test_it_makes_all_stale_while_no_application_controller_works(
    watch: Watch, clock: FakeClock
) -> None:
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, application("dns"))
    list_applications(watch, reader, clock)
    row = ApplicationStatus.objects.get()
    known = [replace(registered("a"), connected_at=START)]
    for seconds, verdict in ((0, "healthy"), (60, "healthy"), (60, "stale")):
        clock.advance(seconds)
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(known=known), clock=clock)
        list_applications(watch, reader, clock)
        observations.judge_again(watch=watch, clock=clock)
        row.refresh_from_db()
        assert row.verdict == verdict
    assert "application controller has shown no sign of life" in row.reason
    assert row.healthy_at is not None, "what was known stays known"


def test_it_takes_no_cluster_at_all_for_a_lost_right(watch: Watch, clock: FakeClock) -> None:
    observations.observe_clusters(
        watch=watch, argocd=FakeArgoCD(known=[registered("a")]), clock=clock
    )
    with pytest.raises(Transient, match="clusters, get"):
        observations.observe_clusters(watch=watch, argocd=FakeArgoCD(), clock=clock)
    assert ClusterStatus.objects.get().name == "a"


def test_it_finds_the_cluster_of_an_application_that_names_an_address(
    watch: Watch, clock: FakeClock
) -> None:
    observations.observe_clusters(
        watch=watch, argocd=FakeArgoCD(known=[registered("spoke-dev")]), clock=clock
    )
    item = application("a")
    item["spec"]["destination"] = {"server": "https://spoke-dev.example.com"}
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, item)
    list_applications(watch, reader, clock)
    assert ApplicationStatus.objects.get().cluster_name == "spoke-dev"


def test_it_names_the_cluster_of_an_application_that_was_seen_before_it(
    watch: Watch, clock: FakeClock
) -> None:
    reader = FakeHub()
    for name in ("dev", "other"):
        item = application(name)
        item["spec"]["destination"] = {"server": f"https://spoke-{name}.example.com"}
        reader.put(HubKind.APPLICATIONS, item)
    list_applications(watch, reader, clock)
    watch.moved.take(10)
    observations.observe_clusters(
        watch=watch, argocd=FakeArgoCD(known=[registered("spoke-dev")]), clock=clock
    )
    named = dict(ApplicationStatus.objects.values_list("name", "cluster_name"))
    assert named == {"dev": "spoke-dev", "other": "https://spoke-other.example.com"}
    assert watch.moved.take(10) == {"spoke-dev"}


def test_it_asks_often_only_while_a_cluster_is_being_onboarded(
    hub: Hub, watch: Watch, clock: FakeClock
) -> None:
    def interval() -> float:
        return observations.clusters_interval(hub=hub, clock=clock).total_seconds()

    Cluster.objects.create(fleet=hub.fleet, path="p", hub_name="hub-cluster", name="a")
    assert interval() == 60  # nothing of the hub was listed yet
    HubWatch.objects.update(seen_at=clock.now())
    assert interval() == 5
    observations.observe_clusters(
        watch=watch, argocd=FakeArgoCD(known=[registered("a")]), clock=clock
    )
    assert interval() == 60


# --- problems ----------------------------------------------------------------------------------


def test_it_says_what_is_wrong_until_that_part_works_again(
    hub: Hub, watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    clock.advance(10)
    hub_parts.report_problem(watch=watch, part="clusters", problem="Argo CD is away.", clock=clock)
    clock.advance(10)
    apply(watch, listing, clock)
    row = HubWatch.objects.get(hub=hub)
    assert (row.problem, row.problem_since) == ("Argo CD is away.", START + timedelta(seconds=10))
    observations.observe_clusters(
        watch=watch, argocd=FakeArgoCD(known=[registered("a")]), clock=clock
    )
    row.refresh_from_db()
    assert (row.problem, row.problem_since) == ("", None)


def test_it_keeps_the_rows_while_a_hub_is_away(
    hub: Hub, watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    away = FakeHub()
    away.failing = Refused("The hub does not allow it.")
    clock.advance(500)
    with pytest.raises(Refused):
        list_applications(watch, away, clock)
    assert names() == ["a", "b"]
    assert observations.heard_at(hub_id=hub.pk) == START


# --- time alone --------------------------------------------------------------------------------


def test_it_calls_the_hub_fresh_only_when_every_kind_was_heard(
    hub: Hub, watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    reader = FakeHub()
    clock.advance(30)
    observations.list_kind(watch=watch, kind=HubKind.APPLICATION_SETS, reader=reader, clock=clock)
    observations.observe_clusters(
        watch=watch, argocd=FakeArgoCD(known=[registered("a")]), clock=clock
    )
    row = HubWatch.objects.get(hub=hub)
    assert (row.seen_at, row.clusters_seen_at) == (START, clock.now())
    apply(watch, listing, clock)
    row.refresh_from_db()
    assert row.seen_at == clock.now()


def test_it_calls_a_hub_unseen_whose_applications_nobody_has_read(
    watch: Watch, clock: FakeClock
) -> None:
    observations.list_kind(
        watch=watch, kind=HubKind.EXTERNAL_SECRETS, reader=FakeHub(), clock=clock
    )
    assert HubWatch.objects.get().seen_at is None


def test_it_makes_stale_what_a_silent_hub_said(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    clock.advance(60)
    assert observations.judge_again(watch=watch, clock=clock) == 0
    clock.advance(600)
    assert observations.judge_again(watch=watch, clock=clock) == 2
    row = ApplicationStatus.objects.get(name="a")
    assert row.verdict == "stale"
    assert row.reason == (
        "Nothing was heard of it since 2026-03-02 09:00 UTC. It last said: Synced, Healthy."
    )
    assert row.healthy_at == START
    clock.advance(600)
    assert observations.judge_again(watch=watch, clock=clock) == 0
    apply(watch, listing, clock)
    observations.judge_again(watch=watch, clock=clock)
    row.refresh_from_db()
    assert (row.verdict, row.healthy_at) == ("healthy", START)


def test_it_makes_stale_what_a_silent_argo_cd_said(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    clock.advance(2 * 3600)
    apply(watch, listing, clock)
    assert observations.judge_again(watch=watch, clock=clock) == 2
    row = ApplicationStatus.objects.get(name="a")
    assert row.verdict == "stale"
    assert "application controller" in row.reason


def test_it_believes_a_health_some_seconds_after_the_sync(
    watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    same = "2026-03-02T09:00:05Z"
    clock.advance(6)
    item = application(
        "a", "60", operationState={"phase": "Succeeded", "finishedAt": same}, reconciledAt=same
    )
    apply(watch, listing, clock, event(HubEventType.MODIFIED, item))
    row = ApplicationStatus.objects.get(name="a")
    assert (row.verdict, row.healthy_at) == ("unknown", None)
    clock.advance(20)
    apply(watch, listing, clock)
    assert observations.judge_again(watch=watch, clock=clock) == 1
    row.refresh_from_db()
    assert (row.verdict, row.healthy_at) == ("healthy", clock.now())


def test_it_judges_nothing_that_could_not_be_read(watch: Watch, clock: FakeClock) -> None:
    reader = FakeHub()
    reader.put(HubKind.APPLICATIONS, application("a"))
    list_applications(watch, reader, clock)
    ApplicationStatus.objects.update(reason=UNREADABLE, verdict="unknown", facts={})
    assert observations.judge_again(watch=watch, clock=clock) == 0
    assert ApplicationStatus.objects.get().reason == UNREADABLE


def test_it_judges_nothing_once_the_watch_is_lost(
    hub: Hub, watch: Watch, listing: Listing, clock: FakeClock
) -> None:
    clock.advance(600)
    observations.claim(hub=hub, holder="watcher-2", clock=clock)
    with pytest.raises(LostWatch):
        observations.judge_again(watch=watch, clock=clock)
    assert ApplicationStatus.objects.get(name="a").verdict == "healthy"
