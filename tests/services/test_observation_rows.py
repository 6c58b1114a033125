"""What is kept of an object of a hub: little, clean, the newest, and never at another's cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError

from onboarding.models import ApplicationStatus, ClusterStatus, Fleet, Hub, HubObject
from onboarding.ports import HubKind
from onboarding.services.observing import observation_rows as rows
from tests.fakes import START

pytestmark = pytest.mark.django_db

COMMIT = "c" * 40
NEVER = "0001-01-01T00:00:00+14:00"
"""A time that no calendar has in UTC."""


@pytest.fixture
def hub() -> Hub:
    fleet = Fleet.objects.create(name="fleet-a", repository_url="https://git.example/fleet.git")
    return Hub.objects.create(fleet=fleet, name="hub-a")


def context(hub: Hub, kind: HubKind, later: int = 0) -> rows.Context:
    return rows.Context(hub.pk, kind, 1 + later, START + timedelta(seconds=later))


def item(name: str, version: str = "5", **parts: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": version}
    return {**parts, "metadata": {**metadata, **parts.get("metadata", {})}}


def application(name: str, version: str = "5", health: str = "Healthy") -> dict[str, Any]:
    return item(
        name,
        version,
        metadata={
            "labels": {"fleet/component": "dns", "fleet/group": "addons", "of": "somebody"},
            "annotations": {"notes": "of somebody"},
            "finalizers": ["resources-finalizer.argocd.argoproj.io/background"],
        },
        spec={
            "project": "of somebody",
            "destination": {"server": "https://spoke-1.example", "namespace": "dns"},
            "sources": [
                {"repoURL": "https://charts.example", "chart": "dns", "targetRevision": "1.2.3"},
                {"path": "addons/dns", "helm": {"valueFiles": ["$values/a.yaml"]}},
            ],
        },
        status={
            "sync": {"status": "Synced", "revisions": ["1.2.3", COMMIT]},
            "health": {"status": health},
            "resources": [{"name": "of somebody"}],
        },
    )


def application_set(name: str, generators: Any) -> dict[str, Any]:
    return item(name, spec={"generators": generators, "strategy": {"type": "RollingSync"}})


def external_secret(name: str, since: str = "2026-03-02T08:00:00Z", **spec: Any) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": since}
    return item(name, spec=spec, status={"conditions": [ready]})


def test_it_keeps_of_an_application_what_its_page_shows_and_no_more(hub: Hub) -> None:
    ClusterStatus.objects.create(
        hub=hub,
        name="spoke-1",
        server="https://spoke-1.example",
        first_seen_at=START,
        seen_at=START,
    )
    kept = context(hub, HubKind.APPLICATIONS)
    stored = rows.store(kept, [application("dns-spoke-1")], ordered=False)
    assert stored == rows.Stored(written=1, clusters=frozenset({"spoke-1"}))

    row = ApplicationStatus.objects.get()
    assert (row.name, row.uid, row.cluster_name, row.component) == (
        "dns-spoke-1",
        "uid-dns-spoke-1",
        "spoke-1",
        "dns",
    )
    assert (row.version, row.revision) == ("1.2.3", COMMIT)
    said = {key: value for key, value in row.facts.items() if value}
    assert said == {
        "revisions": ["1.2.3", COMMIT],
        "destination": "https://spoke-1.example",
        "namespace": "dns",
        "group": "addons",
        "path": "addons/dns",
        "cascades": True,
        "value_files": ["$values/a.yaml"],
    }
    assert "of somebody" not in str(ApplicationStatus.objects.values().get())


def test_it_names_the_secrets_that_an_external_secret_reads_and_none_of_their_content(
    hub: Hub,
) -> None:
    spec = {
        "data": [
            {"secretKey": "server", "remoteRef": {"key": "fleet/spoke-1", "property": "server"}},
            {"secretKey": "config", "remoteRef": {"key": "fleet/spoke-1", "property": "config"}},
        ],
        "dataFrom": [{"extract": {"key": "fleet/more"}}, {"find": {"path": "x"}}, "a text"],
        "target": {"name": "cluster-spoke-1", "template": {"data": {"config": "eyJcanary"}}},
        "secretStoreRef": {"name": "store-a"},
    }
    secret = external_secret("cluster-spoke-1", **spec)
    rows.store(context(hub, HubKind.EXTERNAL_SECRETS), [secret], ordered=False)
    row = HubObject.objects.get()
    assert (row.ready, row.facts["secrets"]) == (True, ["fleet/more", "fleet/spoke-1"])
    assert (row.facts["target"], row.facts["store"]) == ("cluster-spoke-1", "store-a")
    assert "canary" not in str(row.facts)


@pytest.mark.parametrize(
    "generators",
    [
        [{"list": {"elements": ["e" * 1000] * 200}}],
        [{"list": {"elements": [float("nan")]}}],
    ],
    ids=["huge", "not_json"],
)
def test_it_sets_aside_and_names_what_it_cannot_keep(hub: Hub, generators: Any) -> None:
    good = [{"list": {"elements": ["e" * 1000] * 100}}]
    sets = [application_set("bad", generators), application_set("good", good)]
    stored = rows.store(context(hub, HubKind.APPLICATION_SETS), sets, ordered=False)
    assert stored == rows.Stored(written=2)
    row = HubObject.objects.get(name="bad")
    assert (row.message, row.facts, row.ready) == (rows.UNREADABLE, {}, None)
    row = HubObject.objects.get(name="good")
    assert (row.message, row.facts["spec"]) == ("", {"generators": good})


def test_it_takes_a_time_that_cannot_be_for_not_said(hub: Hub) -> None:
    secrets = [external_secret("odd", NEVER), external_secret("good")]
    rows.store(context(hub, HubKind.EXTERNAL_SECRETS), secrets, ordered=False)
    assert dict(HubObject.objects.values_list("name", "changed_at")) == {
        "odd": None,
        "good": START - timedelta(hours=1),
    }
    odd = application("dns-spoke-1")
    odd["status"]["reconciledAt"] = NEVER
    rows.store(context(hub, HubKind.APPLICATIONS), [odd], ordered=False)
    row = ApplicationStatus.objects.get()
    assert (row.sync, row.health, row.facts["reconciled_at"]) == ("Synced", "Healthy", None)


def test_it_loses_no_other_application_to_one_that_the_database_refuses(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = rows._upsert

    def refusing(written: Sequence[rows.Row]) -> None:
        if any(row.name == "bad" and row.facts for row in written):
            raise DataError("value out of range")
        upsert(written)

    monkeypatch.setattr(rows, "_upsert", refusing)
    found = [application(name) for name in ("a", "bad", "z")]
    rows.store(context(hub, HubKind.APPLICATIONS), found, ordered=False)
    bad = ApplicationStatus.objects.get(name="bad")
    assert (bad.verdict, bad.reason, bad.sync, bad.facts) == ("unknown", rows.UNREADABLE, "", {})
    assert (bad.component, bad.cluster_name) == ("dns", "https://spoke-1.example")
    others = ApplicationStatus.objects.exclude(name="bad")
    assert {(row.name, row.sync, row.health) for row in others} == {
        ("a", "Synced", "Healthy"),
        ("z", "Synced", "Healthy"),
    }


def test_it_changes_nothing_for_events_that_come_late(hub: Hub) -> None:
    now = application("a", "30", health="Degraded")
    late = [application("a", "9"), application("a", "29")]
    kept = context(hub, HubKind.APPLICATIONS)
    stored = rows.store(kept, [now, *late], ordered=True)
    assert (stored.written, stored.same) == (1, 0)
    before = ApplicationStatus.objects.values().get()
    assert (before["health"], before["resource_version"]) == ("Degraded", "30")

    after = context(hub, HubKind.APPLICATIONS, later=60)
    assert rows.store(after, late, ordered=True) == rows.Stored()
    assert ApplicationStatus.objects.values().get() == before


def test_it_believes_a_list_over_what_it_knew(hub: Hub) -> None:
    rows.store(context(hub, HubKind.APPLICATIONS), [application("a", "30")], ordered=False)
    restored = application("a", "29", health="Degraded")  # a hub that came back from its backup
    rows.store(context(hub, HubKind.APPLICATIONS, later=60), [restored], ordered=False)
    row = ApplicationStatus.objects.get()
    assert (row.health, row.resource_version, row.generation) == ("Degraded", "29", 61)
    assert row.first_seen_at == START


def test_it_marks_what_says_the_same_as_seen_and_counts_what_has_no_name(hub: Hub) -> None:
    rows.store(context(hub, HubKind.APPLICATIONS), [application("a")], ordered=False)
    found: list[Any] = [application("a"), {"metadata": {"uid": 7}}, {}]
    stored = rows.store(context(hub, HubKind.APPLICATIONS, later=60), found, ordered=False)
    assert stored == rows.Stored(same=1, unreadable=2)
    row = ApplicationStatus.objects.get()
    assert (row.seen_at, row.generation) == (START + timedelta(seconds=60), 61)
    assert row.first_seen_at == START


def test_it_names_the_clusters_that_may_stand_otherwise(hub: Hub) -> None:
    kept = context(hub, HubKind.APPLICATIONS)

    def moved(version: str, name: str = "dns-spoke-1", sync: str = "Synced") -> set[str]:
        found = application(name, version)
        found["status"]["sync"]["status"] = sync
        found["spec"]["destination"] = {"name": "spoke-1"}
        return set(rows.store(kept, [found], ordered=True).clusters)

    assert moved("5") == {"spoke-1"}
    assert moved("6") == set()
    assert moved("7", sync="OutOfSync") == {"spoke-1"}
    assert moved("6") == set()
    assert moved("8", name="fleet-secret-spoke-2") == {"spoke-1", "spoke-2"}


def test_it_names_where_an_application_went_and_whence(hub: Hub) -> None:
    kept = context(hub, HubKind.APPLICATIONS)
    found = application("a", "5")
    rows.store(kept, [found], ordered=True)
    moved = application("a", "6")
    moved["spec"]["destination"] = {"name": "spoke-2"}
    stored = rows.store(kept, [moved], ordered=True)
    assert stored.clusters == {"https://spoke-1.example", "spoke-2"}


def test_it_names_the_cluster_of_an_external_secret(hub: Hub) -> None:
    kept = context(hub, HubKind.EXTERNAL_SECRETS)
    stored = rows.store(kept, [external_secret("cluster-spoke-1")], ordered=False)
    assert stored.clusters == {"spoke-1"}
