"""The verdict on an Application: all that matters, and green only from fresh evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.domain.sync import (
    ApplicationFacts,
    Condition,
    Rollup,
    Verdict,
    VerdictState,
    application_facts,
    duration,
    rollup,
    verdict,
)

# A loaded machine is slow, which says nothing of the code.
CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)
LIMIT = timedelta(minutes=5)
COMMIT, OLDER, NEWER = "c" * 40, "a" * 40, "e" * 40
GOOD = ApplicationFacts(
    name="metrics-server-spoke-1",
    sync="Synced",
    health="Healthy",
    revisions=(COMMIT,),
    operation_phase="Succeeded",
    operation_revisions=(COMMIT,),
    operation_finished_at=NOW - timedelta(minutes=3),
    reconciled_at=NOW - timedelta(minutes=2),
    seen_at=NOW - timedelta(seconds=4),
)


def ago(**span: int) -> datetime:
    return NOW - timedelta(**span)


def judge(**changed: Any) -> Verdict:
    return verdict(replace(GOOD, **changed), now=NOW, stale_after=LIMIT, committed=COMMIT)


ERROR = (Condition("ComparisonError", "cannot read the repository"),)
WARNING = (Condition("SharedResourceWarning", "owned twice"),)
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({}, "healthy", "Synced and Healthy"),
    # silence
    ({"seen_at": None}, "unknown", "never been observed"),
    ({"seen_at": ago(minutes=5)}, "healthy", ""),
    (
        {"seen_at": ago(minutes=5, seconds=1)},
        "stale",
        "for 5 minutes. It last said: Synced, Healthy",
    ),
    ({"seen_at": ago(days=2), "conditions": ERROR}, "stale", "2 days"),
    ({"seen_at": NOW + timedelta(seconds=30)}, "healthy", ""),
    ({"seen_at": NOW + timedelta(hours=1)}, "unknown", "clocks"),
    # errors before anything that Argo CD says besides
    ({"conditions": ERROR}, "failed", "ComparisonError: cannot read the repository"),
    ({"conditions": (*WARNING, *ERROR)}, "failed", "ComparisonError"),
    ({"conditions": ERROR, "operation_phase": "Running"}, "failed", "ComparisonError"),
    ({"conditions": WARNING}, "healthy", ""),
    ({"deleting": True}, "progressing", "being deleted"),
    ({"left_alone": True}, "stale", "leaves it alone"),
    ({"left_alone": True, "conditions": ERROR}, "failed", "ComparisonError"),
    # the operation
    ({"operation_phase": "Running", "operation_finished_at": None}, "progressing", "running"),
    ({"operation_phase": "Terminating"}, "progressing", "terminating"),
    # a sync that failed and is tried again, for ever where the policy has no limit
    ({"operation_phase": "Running", "operation_retries": 2}, "progressing", "A sync is running"),
    (
        {
            "operation_phase": "Running",
            "operation_retries": 3,
            "operation_message": "denied. Retrying attempt #3 at 12:00PM.",
        },
        "failed",
        "The sync failed, and again in 2 retries: denied. Retrying attempt #3 at 12:00PM.",
    ),
    (
        {"operation_phase": "Running", "operation_retries": 9, "operation_finished_at": None},
        "failed",
        "again in 8 retries",
    ),
    (
        {"operation_phase": "Running", "operation_retries": 3, "operation_outdated": True},
        "failed",
        "Argo CD goes on trying what the Application said before, and begins with what it says now "
        "only when somebody ends that sync (Terminate in Argo CD). The sync failed, and again",
    ),
    (
        {"operation_phase": "Running", "operation_outdated": True},
        "progressing",
        "A sync is running",
    ),
    ({"operation_phase": "Succeeded", "operation_retries": 9}, "healthy", ""),
    ({"operation_phase": "Succeeded", "operation_outdated": True}, "healthy", ""),
    # somebody ended it, and Git says something else by now that is in sync
    ({"operation_phase": "Failed", "operation_outdated": True}, "healthy", ""),
    (
        {"operation_phase": "Failed", "operation_outdated": True, "sync": "OutOfSync"},
        "failed",
        "last sync failed",
    ),
    ({"operation_phase": "Failed", "operation_message": "hook failed"}, "failed", "hook failed"),
    ({"operation_phase": "Error"}, "failed", "last sync failed"),
    ({"operation_phase": "Failed", "operation_revisions": (OLDER,)}, "healthy", ""),
    (
        {"operation_phase": "Failed", "operation_revisions": (OLDER,), "sync": "OutOfSync"},
        "failed",
        "last sync failed",
    ),
    ({"operation_phase": "Failed", "operation_revisions": ()}, "failed", ""),
    (
        {
            "operation_phase": "Failed",
            "operation_revisions": (OLDER,),
            "operation_message": "one or more synchronization tasks completed unsuccessfully",
        },
        "failed",
        "completed unsuccessfully",
    ),
    ({"requested": True}, "progressing", "asked for and has not begun"),
    ({"operation_phase": "Dancing"}, "unknown", "Dancing"),
    ({"operation_finished_at": None}, "unknown", "when the last sync finished"),
    ({"operation_phase": "", "operation_finished_at": None}, "healthy", ""),
    # the comparison itself
    ({"reconciled_at": None}, "unknown", "not compared"),
    (
        {"reconciled_at": ago(hours=2), "operation_finished_at": ago(hours=3)},
        "stale",
        "2 hours ago",
    ),
    ({"reconciled_at": NOW + timedelta(hours=1)}, "unknown", "clock"),
    ({"moved": "source"}, "progressing", "Its source was changed since"),
    ({"moved": "destination", "health": "Degraded"}, "progressing", "Its destination was changed"),
    # the revision before the words
    ({"revisions": ()}, "unknown", "cccccccc"),
    ({"revisions": (OLDER,)}, "out_of_sync", "aaaaaaaa, and not yet cccccccc"),
    ({"revisions": (OLDER,), "health": "Degraded"}, "out_of_sync", "aaaaaaaa"),
    ({"revisions": ("1.2.3", COMMIT)}, "healthy", ""),
    ({"revisions": ("1.2.3",)}, "healthy", ""),
    # the words
    ({"sync": ""}, "unknown", "does not say"),
    ({"sync": "Unknown"}, "unknown", "'Unknown'"),
    ({"sync": "OutOfSync"}, "out_of_sync", "differs from Git"),
    ({"sync": "OutOfSync", "health": "Degraded"}, "degraded", "OutOfSync and Degraded"),
    ({"sync": "OutOfSync", "health": "Missing"}, "missing", "OutOfSync and Missing"),
    ({"sync": "OutOfSync", "health": "Progressing"}, "out_of_sync", ""),
    (
        {"sync": "OutOfSync", "health": "Degraded", "reconciled_at": ago(minutes=4)},
        "out_of_sync",
        "differs from Git",
    ),
    ({"health": "Progressing", "health_message": "1 of 2 ready"}, "progressing", "1 of 2 ready"),
    ({"health": "Degraded"}, "degraded", "Degraded"),
    ({"health": "Suspended"}, "suspended", ""),
    ({"health": "Missing"}, "missing", ""),
    ({"health": "Unknown"}, "unknown", ""),
    ({"health": ""}, "unknown", "does not say"),
    ({"health": "Splendid"}, "unknown", "does not say"),
    # health from before the operation
    ({"reconciled_at": ago(minutes=4)}, "unknown", "since the last sync"),
    ({"reconciled_at": ago(minutes=4), "health": "Degraded"}, "unknown", "since the last sync"),
    ({"reconciled_at": ago(minutes=3)}, "healthy", ""),  # same second, long settled
    ({"reconciled_at": ago(seconds=9), "operation_finished_at": ago(seconds=9)}, "unknown", ""),
    ({"reconciled_at": ago(seconds=8), "operation_finished_at": ago(seconds=9)}, "healthy", ""),
]


@pytest.mark.parametrize(("changed", "state", "words"), CASES)
def test_it_judges_an_application(changed: dict[str, Any], state: str, words: str) -> None:
    found = judge(**changed)
    assert (found.state.value, words in found.reason) == (state, True), found
    assert found.reason.strip()


def test_it_believes_a_commit_that_contains_the_committed_one() -> None:
    facts = replace(GOOD, revisions=(NEWER,))
    known = verdict(facts, now=NOW, stale_after=LIMIT, committed=COMMIT, newer={NEWER})
    assert known.state is VerdictState.HEALTHY
    assert verdict(facts, now=NOW, stale_after=LIMIT).state is VerdictState.HEALTHY
    unknown = verdict(facts, now=NOW, stale_after=LIMIT, committed=COMMIT)
    assert unknown.state is VerdictState.OUT_OF_SYNC


def test_it_leaves_old_comparisons_alone_only_when_told() -> None:
    old = replace(GOOD, reconciled_at=ago(hours=9), operation_finished_at=ago(hours=10))
    assert verdict(old, now=NOW, stale_after=LIMIT).state is VerdictState.STALE
    unchecked = verdict(old, now=NOW, stale_after=LIMIT, compared_within=None)
    assert unchecked.state is VerdictState.HEALTHY


TIMES = st.one_of(
    st.none(),
    st.integers(-7200, 7200).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)
ANY_FACTS = st.builds(
    ApplicationFacts,
    name=st.just("x"),
    sync=st.sampled_from(["Synced", "OutOfSync", "Unknown", "", "synced"]),
    health=st.sampled_from(["Healthy", "Progressing", "Degraded", "Missing", "", "healthy"]),
    revisions=st.sampled_from([(), (COMMIT,), (OLDER,), ("1.0", COMMIT)]),
    operation_phase=st.sampled_from(["", "Succeeded", "Running", "Failed", "Error", "?"]),
    operation_revisions=st.sampled_from([(), (COMMIT,), (OLDER,)]),
    operation_finished_at=TIMES,
    operation_retries=st.integers(0, 5),
    reconciled_at=TIMES,
    conditions=st.sampled_from([(), ERROR, WARNING]),
    deleting=st.booleans(),
    moved=st.sampled_from(["", "", "source"]),
    requested=st.booleans(),
    left_alone=st.booleans(),
    seen_at=TIMES,
)


@CALM
@given(ANY_FACTS)
def test_it_is_never_healthy_without_fresh_positive_evidence(facts: ApplicationFacts) -> None:
    found = verdict(facts, now=NOW, stale_after=LIMIT, committed=COMMIT)
    if found.state is not VerdictState.HEALTHY:
        return
    assert (facts.sync, facts.health) == ("Synced", "Healthy")
    assert COMMIT in facts.revisions
    assert not any((facts.deleting, facts.moved, facts.requested, facts.left_alone))
    assert facts.conditions != ERROR
    assert facts.seen_at is not None
    assert NOW - facts.seen_at <= LIMIT
    assert facts.reconciled_at is not None
    if facts.operation_finished_at is not None:
        assert facts.reconciled_at >= facts.operation_finished_at
    assert facts.operation_phase in {"", "Succeeded"} or facts.operation_revisions == (OLDER,)


@CALM
@given(
    ANY_FACTS,
    st.sampled_from(["seen_at", "reconciled_at", "sync", "health", "revisions"]),
)
def test_it_turns_green_to_unknown_when_a_fact_is_taken_away(
    facts: ApplicationFacts, gone: str
) -> None:
    empty: Any = {"sync": "", "health": "", "revisions": ()}.get(gone)
    found = verdict(replace(facts, **{gone: empty}), now=NOW, stale_after=LIMIT, committed=COMMIT)
    assert found.state is not VerdictState.HEALTHY


OBJECT: dict[str, Any] = {
    "metadata": {
        "name": "metrics-server-spoke-1",
        "ownerReferences": [{"kind": "ApplicationSet", "name": "metrics-server"}],
    },
    "spec": {
        "destination": {"name": "spoke-1", "namespace": "kube-system"},
        "sources": [
            {"ref": "values", "targetRevision": "main"},
            {"chart": "metrics-server", "targetRevision": "3.12.1"},
        ],
    },
    "status": {
        "sync": {"status": "Synced", "revisions": [COMMIT, "3.12.1"]},
        "health": {"status": "Healthy"},
        "reconciledAt": "2026-03-04T11:58:00Z",
        "operationState": {
            "phase": "Succeeded",
            "message": "successfully synced",
            "finishedAt": "2026-03-04T11:57:00Z",
            "syncResult": {"revisions": [COMMIT, "3.12.1"]},
        },
        "conditions": [{"type": "OrphanedResourceWarning", "message": "1 orphan"}],
    },
}


def test_it_reads_the_object_of_the_hub() -> None:
    facts = application_facts(OBJECT, seen_at=NOW)
    assert facts == ApplicationFacts(
        name="metrics-server-spoke-1",
        sync="Synced",
        health="Healthy",
        revisions=(COMMIT, "3.12.1"),
        operation_phase="Succeeded",
        operation_message="successfully synced",
        operation_revisions=(COMMIT, "3.12.1"),
        operation_finished_at=datetime(2026, 3, 4, 11, 57, tzinfo=UTC),
        reconciled_at=datetime(2026, 3, 4, 11, 58, tzinfo=UTC),
        conditions=(Condition("OrphanedResourceWarning", "1 orphan"),),
        destination="spoke-1",
        namespace="kube-system",
        version="3.12.1",
        application_set="metrics-server",
        seen_at=NOW,
    )
    assert facts.message == ""
    found = verdict(facts, now=NOW, stale_after=LIMIT, committed=COMMIT)
    assert found == Verdict(VerdictState.HEALTHY, "Synced and Healthy.", synced=True)


COMPARED: dict[str, Any] = {
    "destination": {"name": "spoke-1", "namespace": "kube-system"},
    "source": {"repoURL": ""},
    "sources": [
        {"ref": "values", "targetRevision": "main"},
        {"chart": "metrics-server", "targetRevision": "3.12.1", "helm": {"values": ""}},
    ],
}


def compared(**changed: Any) -> ApplicationFacts:
    """The object as it is read where Argo CD last compared something else."""
    sync = {**OBJECT["status"]["sync"], "comparedTo": {**COMPARED, **changed}}
    return application_facts({**OBJECT, "status": {**OBJECT["status"], "sync": sync}})


@pytest.mark.parametrize(
    ("changed", "moved"),
    [
        ({}, ""),
        ({"sources": [COMPARED["sources"][0], {"chart": "metrics-server"}]}, "source"),
        ({"sources": None}, "source"),
        ({"destination": {"name": "spoke-2", "namespace": "kube-system"}}, "destination"),
        ({"destination": {"server": "https://spoke-1", "namespace": "kube-system"}}, "destination"),
    ],
)
def test_it_sees_what_argo_cd_has_not_compared_yet(changed: dict[str, Any], moved: str) -> None:
    assert compared(**changed).moved == moved


def test_it_compares_the_one_source_where_there_is_one() -> None:
    source = {"path": "addons/dns", "targetRevision": "v2"}
    for has, moved in ((source, ""), ({**source, "targetRevision": "v1"}, "source")):
        found = application_facts(
            {
                "spec": {"source": source, "destination": {"name": "a"}},
                "status": {
                    "sync": {"comparedTo": {"source": has, "destination": {"name": "a"}}},
                },
            }
        )
        assert found.moved == moved
    # The source of a hydrated Application is worked out by Argo CD; nothing is said of it here.
    hydrated = {"spec": {}, "status": {"sync": {"comparedTo": {"source": source}}}}
    assert application_facts(hydrated).moved == ""


@pytest.mark.parametrize(("value", "left_alone"), [("true", True), ("1", True), ("false", False)])
def test_it_sees_that_it_is_left_alone(value: str, left_alone: bool) -> None:
    annotations = {"argocd.argoproj.io/skip-reconcile": value}
    assert application_facts({"metadata": {"annotations": annotations}}).left_alone is left_alone


def test_it_sees_a_sync_that_was_asked_for_until_it_runs() -> None:
    asked = {**OBJECT, "operation": {"sync": {"revision": COMMIT}}}
    assert application_facts(asked).requested
    running = {**asked, "status": {**OBJECT["status"], "operationState": {"phase": "Running"}}}
    assert not application_facts(running).requested
    assert not application_facts(OBJECT).requested


def test_it_shows_the_message_that_explains_most() -> None:
    base = replace(GOOD, health_message="waiting")
    assert base.message == "waiting"
    failed = replace(base, operation_phase="Failed", operation_message="hook failed")
    assert failed.message == "hook failed"
    assert replace(failed, conditions=ERROR).message == "cannot read the repository"


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["", "Synced", "Healthy"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["metadata", "spec", "status", "sync", "conditions", "health"]),
            inner,
            max_size=4,
        ),
    ),
)


@CALM
@given(st.dictionaries(st.sampled_from(["metadata", "spec", "status"]), JUNK))
def test_it_reads_any_object_without_falling_over(data: dict[str, Any]) -> None:
    facts = application_facts(data, seen_at=NOW)
    assert verdict(facts, now=NOW, stale_after=LIMIT).state is not VerdictState.HEALTHY


@pytest.mark.parametrize("time", ["", "yesterday", "2026-03-04T11:58:00", 7, None])
def test_it_takes_no_time_that_is_not_one(time: object) -> None:
    data = {**OBJECT, "status": {**OBJECT["status"], "reconciledAt": time}}
    assert application_facts(data).reconciled_at is None


def verdicts(*states: str) -> list[Verdict]:
    return [Verdict(VerdictState(one), "", synced=one == "healthy") for one in states]


def test_it_counts_many_and_names_the_worst() -> None:
    found = rollup(verdicts("healthy", "progressing", "degraded", "healthy"))
    assert (found.total, found.synced, found.healthy) == (4, 2, 2)
    assert found.worst is VerdictState.DEGRADED
    assert found.counts == {
        VerdictState.DEGRADED: 1,
        VerdictState.PROGRESSING: 1,
        VerdictState.HEALTHY: 2,
    }
    assert found.sentence == "2 of 4 Applications healthy: 1 degraded, 1 progressing, 2 healthy."


def test_it_says_that_nothing_is_selected() -> None:
    found = rollup([])
    assert found == Rollup(total=0, synced=0, healthy=0, counts={}, worst=None)
    assert found.selects_nothing
    assert "Selects nothing" in found.sentence


@pytest.mark.parametrize(("count", "words"), [(1, "one Application"), (3, "All 3 Applications")])
def test_it_says_that_all_is_well(count: int, words: str) -> None:
    assert words in rollup(verdicts(*["healthy"] * count)).sentence


@CALM
@given(st.lists(st.sampled_from([state.value for state in VerdictState])))
def test_it_counts_every_verdict_once(states: list[str]) -> None:
    found = rollup(verdicts(*states))
    assert sum(found.counts.values()) == found.total == len(states)
    assert (found.worst is VerdictState.HEALTHY) is (bool(states) and set(states) == {"healthy"})


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=-5), "0 seconds"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=119), "1 minute"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(days=1, hours=23), "1 day"),
    ],
)
def test_it_says_spans_as_people_do(span: timedelta, words: str) -> None:
    assert duration(span) == words
