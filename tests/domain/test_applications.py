"""What an Application says of itself: read from whatever the hub sends, never more than it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from onboarding.domain.applications import ApplicationFacts, Condition, application_facts

SEEN = datetime(2026, 3, 4, 12, tzinfo=UTC)
WHOLE: dict[str, Any] = {
    "metadata": {
        "name": "info-spoke-1",
        "ownerReferences": [
            {"kind": "Other", "name": "no"},
            {"kind": "ApplicationSet", "name": "info"},
        ],
    },
    "spec": {
        "destination": {"name": "spoke-1", "server": "https://spoke", "namespace": "info"},
        "sources": [
            {"ref": "values", "targetRevision": "main"},
            {"chart": "info", "targetRevision": "1.2.3"},
        ],
    },
    "status": {
        "sync": {"status": "Synced", "revisions": ["1.2.3", "", "abc"]},
        "health": {"status": "Degraded", "message": "One pod crashes."},
        "reconciledAt": "2026-03-04T11:59:00Z",
        "conditions": [
            {"type": "OrphanedResourceWarning", "message": "An orphan."},
            {"type": "ComparisonError", "message": "No manifests."},
        ],
        "operationState": {
            "phase": "Failed",
            "message": "It was refused.",
            "retryCount": 2,
            "finishedAt": "2026-03-04T12:58:00+01:00",
            "operation": {"sync": {"revision": "asked"}},
            "syncResult": {"revision": "applied"},
        },
    },
}


def test_it_reads_all_that_an_application_says() -> None:
    assert application_facts(WHOLE, seen_at=SEEN) == ApplicationFacts(
        name="info-spoke-1",
        sync="Synced",
        health="Degraded",
        health_message="One pod crashes.",
        revisions=("1.2.3", "abc"),
        operation_phase="Failed",
        operation_message="It was refused.",
        operation_revisions=("applied",),
        operation_finished_at=datetime(2026, 3, 4, 11, 58, tzinfo=UTC),
        operation_retries=2,
        reconciled_at=datetime(2026, 3, 4, 11, 59, tzinfo=UTC),
        conditions=(
            Condition("OrphanedResourceWarning", "An orphan."),
            Condition("ComparisonError", "No manifests."),
        ),
        destination="spoke-1",
        namespace="info",
        version="1.2.3",
        application_set="info",
        seen_at=SEEN,
    )


@pytest.mark.parametrize("odd", [None, 7, "text", [], [None, 3], {"": None}, True])
@pytest.mark.parametrize("part", ["metadata", "spec", "status"])
def test_it_counts_what_has_no_sense_as_not_said(part: str, odd: object) -> None:
    assert application_facts({part: odd}) == ApplicationFacts(name="")
    assert application_facts({**WHOLE, part: odd}).name == (
        "" if part == "metadata" else "info-spoke-1"
    )


@pytest.mark.parametrize("when", ["2026-03-04T11:59:00", "yesterday", 1_700_000_000, None])
def test_it_takes_no_time_without_a_zone(when: object) -> None:
    """A time that could be hours off would make stale health look fresh."""
    assert application_facts({"status": {"reconciledAt": when}}).reconciled_at is None


@pytest.mark.parametrize(
    ("spec", "version", "destination"),
    [
        ({"source": {"targetRevision": "main"}, "destination": {"server": "https://s"}}, "main", "https://s"),
        ({"source": {"chart": "c", "targetRevision": "2.0"}}, "2.0", ""),
        ({"sources": [], "source": {"targetRevision": "main"}}, "main", ""),
        ({}, "", ""),
    ],
)  # fmt: skip
def test_it_knows_version_and_destination_however_they_are_written(
    spec: dict[str, Any], version: str, destination: str
) -> None:
    facts = application_facts({"spec": spec})
    assert (facts.version, facts.destination) == (version, destination)


def test_it_takes_what_an_operation_was_asked_for_while_nothing_is_applied() -> None:
    operation = {"operation": {"sync": {"revisions": ["a", "b"]}}}
    facts = application_facts({"status": {"operationState": operation}})
    assert facts.operation_revisions == ("a", "b")


OLD, NEW = {"path": "charts/info"}, {"path": "charts/info", "targetRevision": "2"}


@pytest.mark.parametrize(
    ("spec", "asked", "outdated"),
    [
        ({"sources": [NEW]}, {"sources": [OLD]}, True),
        ({"sources": [NEW, OLD]}, {"sources": [NEW]}, True),
        ({"source": NEW}, {"source": OLD}, True),
        ({"sources": [NEW]}, {"source": OLD}, True),
        ({"sources": [NEW]}, {"sources": [NEW]}, False),
        ({"source": NEW}, {"source": NEW}, False),
        # Somebody's own sync takes what the Application says when it runs.
        ({"sources": [NEW]}, {"revision": "main"}, False),
        ({"sources": [NEW]}, {"sources": "odd"}, False),
    ],
)
def test_it_knows_a_sync_of_sources_that_were_replaced(
    spec: dict[str, Any], asked: dict[str, Any], outdated: bool
) -> None:
    status = {"operationState": {"phase": "Running", "operation": {"sync": asked}}}
    assert application_facts({"spec": spec, "status": status}).operation_outdated is outdated


@pytest.mark.parametrize("odd", [None, "3", True, -1, [], 2.5])
def test_it_counts_no_retries_but_whole_numbers(odd: object) -> None:
    facts = application_facts({"status": {"operationState": {"retryCount": odd}}})
    assert facts.operation_retries == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "An error."),
        ({"conditions": (Condition("SharedResourceWarning", "A warning."),)}, "A failed sync."),
        ({"conditions": (), "operation_phase": "Succeeded"}, "Bad health."),
        ({"conditions": (), "operation_phase": "Error"}, "A failed sync."),
        ({"conditions": (), "operation_phase": "Running"}, "Bad health."),
        (
            {"conditions": (), "operation_phase": "Running", "operation_retries": 1},
            "A failed sync.",
        ),
        ({"conditions": (), "operation_phase": "", "health_message": ""}, ""),
    ],
)
def test_it_explains_itself_by_the_worst_that_it_says(
    changed: dict[str, Any], message: str
) -> None:
    said: dict[str, Any] = {
        "conditions": (Condition("SyncError", ""), Condition("ComparisonError", "An error.")),
        "operation_phase": "Failed",
        "operation_message": "A failed sync.",
        "health_message": "Bad health.",
    }
    assert ApplicationFacts(name="a", **{**said, **changed}).message == message


def test_it_is_deleting_from_the_moment_that_the_hub_says_so() -> None:
    stamp = {"metadata": {"deletionTimestamp": "2026-03-04T12:00:00Z"}}
    assert application_facts(stamp).deleting
    assert not application_facts(WHOLE).deleting
