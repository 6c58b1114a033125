"""The timeline of a cluster: what was reached, why it waits, and never done without a fact."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.lifecycle import DecisionState, DeliveryState
from onboarding.domain.progress import (
    ClusterState,
    ExternalSecretFacts,
    Facts,
    LabelDifference,
    Stage,
    StepState,
    timeline,
)
from onboarding.domain.secret_reasons import SecretProblem, secret_problem
from onboarding.domain.sync import Rollup, Verdict, VerdictState, rollup

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


def ago(**span: int) -> datetime:
    return NOW - timedelta(**span)


def apps(*states: str) -> Rollup:
    return rollup(
        Verdict(VerdictState(one), "", synced=one in {"healthy", "progressing"}) for one in states
    )


READY = ExternalSecretFacts(ready=True, store_ready=True, at=ago(minutes=7))
GOOD = Facts(
    decision=DecisionState.APPROVED,
    submitted_at=ago(minutes=20),
    approved_at=ago(minutes=10),
    delivery=DeliveryState.COMMITTED,
    commit="c" * 40,
    committed_at=ago(minutes=9),
    in_git=True,
    hub_seen_at=ago(seconds=4),
    noticed_at=ago(minutes=8),
    external_secret=READY,
    registered_at=ago(minutes=6),
    connection="Successful",
    matched=2,
    matched_at=ago(minutes=5),
    applications=apps("healthy", "healthy"),
    synced_at=ago(minutes=4),
    healthy_at=ago(minutes=3),
)
# The same way with nothing seen from a stage on.
COMMITTED = Facts(
    **{
        field.name: getattr(GOOD, field.name)
        for field in fields(Facts)
        if field.name
        in {
            "decision",
            "submitted_at",
            "approved_at",
            "delivery",
            "commit",
            "committed_at",
            "in_git",
            "hub_seen_at",
        }
    }
)
NOTICED = replace(COMMITTED, noticed_at=ago(minutes=8))
FETCHED = replace(NOTICED, external_secret=READY)
REGISTERED = replace(FETCHED, registered_at=ago(minutes=6), connection="Successful")
MATCHED = replace(REGISTERED, matched=2, matched_at=ago(minutes=5))
OWNED = "Object argocd/probe-spoke-1 is already owned by another ApplicationSet controller other"
TOO_EARLY = ("addons-probe", "there are no clusters with this name: spoke-1")
DIFFERENT = (LabelDifference("addonsRelease", "release1", "default"),)


def test_it_tells_the_whole_way_with_its_times() -> None:
    found = timeline(GOOD, now=NOW)
    assert [step.stage for step in found.steps] == list(Stage)
    assert {step.state for step in found.steps} == {StepState.DONE}
    assert [step.at for step in found.steps] == [ago(minutes=m) for m in (10, 9, 8, 7, 6, 5, 4, 3)]
    assert found.state is ClusterState.HEALTHY
    assert found.sentence == "All 2 Applications are synced and healthy."
    assert found.current is None


CASES: list[tuple[Facts, str, str, str, str]] = [
    # facts, cluster state, current stage, its state, words of its reason
    (Facts(decision=DecisionState.DRAFT), "draft", "approved", "waiting", "draft"),
    (
        Facts(decision=DecisionState.SUBMITTED, submitted_at=ago(hours=1)),
        "waiting_for_approval",
        "approved",
        "waiting",
        "waits for approval",
    ),
    (
        Facts(decision=DecisionState.LAPSED),
        "waiting_for_approval",
        "approved",
        "waiting",
        "has changed",
    ),
    (Facts(decision=DecisionState.REJECTED), "gone", "approved", "failed", "rejected"),
    (Facts(decision=DecisionState.APPROVED), "queued", "committed", "waiting", "not in Git"),
    (
        Facts(
            decision=DecisionState.APPROVED, delivery=DeliveryState.QUEUED, delivery_reason="1st."
        ),
        "queued",
        "committed",
        "waiting",
        "queued for the writer. 1st.",
    ),
    (
        Facts(decision=DecisionState.APPROVED, delivery=DeliveryState.PUSHING),
        "queued",
        "committed",
        "active",
        "being pushed",
    ),
    (
        Facts(decision=DecisionState.APPROVED, delivery=DeliveryState.IN_REVIEW),
        "queued",
        "committed",
        "waiting",
        "pull request",
    ),
    (
        Facts(
            decision=DecisionState.APPROVED, delivery=DeliveryState.FAILED, delivery_reason="No."
        ),
        "failed",
        "committed",
        "failed",
        "could not be written to Git. No.",
    ),
    (replace(COMMITTED, hub_seen_at=None), "committed", "noticed", "waiting", "not been observed"),
    (
        replace(COMMITTED, committed_at=ago(minutes=1)),
        "committed",
        "noticed",
        "waiting",
        "No webhook told the hub. By its own polls of Git it notices within 5 minutes, by 12:05:00 UTC",
    ),
    (
        replace(COMMITTED, committed_at=ago(seconds=143)),
        "committed",
        "noticed",
        "waiting",
        "it notices within 3 minutes, by 12:03:37 UTC at the latest",
    ),
    (
        replace(COMMITTED, committed_at=ago(seconds=59), webhook=True),
        "committed",
        "noticed",
        "waiting",
        "was told of the commit and has not answered yet",
    ),
    (
        replace(COMMITTED, committed_at=ago(seconds=61), webhook=True),
        "committed",
        "noticed",
        "waiting",
        "its ApplicationSet controller may not be running",
    ),
    *(
        (
            replace(facts, sets_silent_since=ago(minutes=3), sets_problem="It was asked at 11:57."),
            state,
            stage,
            "waiting",
            "ApplicationSet controller is not running, or does not get to its work. It was asked at 11:57.",
        )
        for facts, state, stage in (
            (COMMITTED, "committed", "noticed"),
            (
                replace(COMMITTED, committed_at=ago(seconds=61), webhook=True),
                "committed",
                "noticed",
            ),
            (REGISTERED, "registering", "matched"),
            (
                replace(MATCHED, applications=Rollup(0, 0, 0)),
                "deploying",
                "synced",
            ),
        )
    ),
    (COMMITTED, "committed", "noticed", "waiting", "should have noticed it by 11:57:00 UTC"),
    (
        replace(COMMITTED, registration_problem="nil pointer"),
        "failed",
        "noticed",
        "failed",
        "reports: nil pointer",
    ),
    (
        replace(COMMITTED, registration_problem="yaml: line 1", broken_members=("m/spoke-9.yaml",)),
        "failed",
        "noticed",
        "failed",
        "Another member file breaks the registration of all: m/spoke-9.yaml cannot be read",
    ),
    # Git was read by ourselves: that says it, heard of the hub or not.
    (
        replace(NOTICED, files_problem="spoke-1.yaml, line 2, column 4: no.", hub_seen_at=None),
        "failed",
        "noticed",
        "failed",
        "cannot be read: spoke-1.yaml, line 2, column 4",
    ),
    (NOTICED, "registering", "secret", "waiting", "no ExternalSecret"),
    (
        replace(NOTICED, registration_says="Argo CD has not compared it with Git yet."),
        "registering",
        "secret",
        "waiting",
        "Its registration Application says: Argo CD has not compared it with Git yet.",
    ),
    (
        replace(NOTICED, noticed_at=ago(seconds=59), external_secret=ExternalSecretFacts()),
        "registering",
        "secret",
        "waiting",
        "has not fetched",
    ),
    (
        replace(NOTICED, external_secret=ExternalSecretFacts()),
        "registering",
        "secret",
        "waiting",
        "has said nothing of its ExternalSecret: it may not be running",
    ),
    (
        replace(
            NOTICED,
            external_secret=ExternalSecretFacts(ready=False, message="AccessDeniedException: no"),
        ),
        "failed",
        "secret",
        "failed",
        "AWS denies the hub's External Secrets Operator access",
    ),
    (
        replace(
            NOTICED, external_secret=replace(READY, store_ready=False, store_message="no role")
        ),
        "failed",
        "secret",
        "failed",
        "SecretStore is not ready, so no credentials can be fetched. It says: no role",
    ),
    (FETCHED, "registering", "registered", "waiting", "does not know the cluster"),
    (
        replace(REGISTERED, same_server=("spoke-9",)),
        "failed",
        "registered",
        "failed",
        "same server: spoke-9",
    ),
    (
        replace(GOOD, label_differences=DIFFERENT),
        "registering",
        "registered",
        "waiting",
        "addonsRelease is default, not release1",
    ),
    (
        replace(GOOD, label_differences=DIFFERENT, matched_at=ago(minutes=16)),
        "out_of_sync",
        "registered",
        "waiting",
        "addonsRelease is default, not release1",
    ),
    # While the hub still follows a commit, labels differ of course.
    (
        replace(
            GOOD,
            label_differences=DIFFERENT,
            matched_at=ago(minutes=16),
            labels_settled=False,
        ),
        "registering",
        "registered",
        "waiting",
        "addonsRelease is default",
    ),
    (REGISTERED, "registering", "matched", "waiting", "not been observed"),
    (
        replace(REGISTERED, matched=0),
        "selects_nothing",
        "matched",
        "waiting",
        "No ApplicationSet matches",
    ),
    (
        replace(MATCHED, set_problems=(("addons-probe", OWNED),)),
        "failed",
        "matched",
        "failed",
        "The Application name probe-spoke-1 is taken: ApplicationSet other has it, so "
        "ApplicationSet addons-probe cannot make its own.",
    ),
    # A set that looked a moment too early looks again by itself; later it must be looked at.
    (
        replace(REGISTERED, registered_at=ago(seconds=30), matched=1, set_problems=(TOO_EARLY,)),
        "registering",
        "matched",
        "waiting",
        "looks again within three minutes: there are no clusters with this name: spoke-1",
    ),
    (
        replace(GOOD, registered_at=ago(seconds=30), set_problems=(TOO_EARLY,)),
        "registering",
        "matched",
        "waiting",
        "looks again within three minutes",
    ),
    (
        replace(REGISTERED, registered_at=ago(minutes=5), matched=1, set_problems=(TOO_EARLY,)),
        "failed",
        "matched",
        "failed",
        "cannot make or change its Application: there are no clusters with this name: spoke-1",
    ),
    # Green Applications of other sets do not hide it.
    (
        replace(GOOD, set_problems=(("addons-probe", "template: nil pointer"), ("b", "?"))),
        "failed",
        "matched",
        "failed",
        "selects it and cannot make or change its Application: template: nil pointer One set more",
    ),
    # Argo CD was asked for its clusters long after it had the Applications: the cluster secret is gone.
    (
        replace(GOOD, registered_at=None, clusters_seen_at=ago(seconds=5)),
        "failed",
        "registered",
        "failed",
        "does not know the cluster any more",
    ),
    (
        replace(GOOD, same_name=("https://a", "https://b")),
        "failed",
        "registered",
        "failed",
        "Several cluster secrets on the hub have its name: https://a, https://b.",
    ),
    (MATCHED, "deploying", "synced", "waiting", "not been observed"),
    (
        replace(MATCHED, applications=apps("unknown", "unknown"), uncompared=2),
        "deploying",
        "synced",
        "waiting",
        "none of its Applications with Git for 5 minutes: its application controller may not be "
        "running.",
    ),
    (replace(MATCHED, applications=apps()), "deploying", "synced", "waiting", "No Application"),
    (
        replace(MATCHED, applications=apps("missing", "healthy")),
        "deploying",
        "synced",
        "active",
        "1 of 2 Applications are synced",
    ),
    (
        replace(MATCHED, applications=apps("missing"), matched_at=ago(hours=2)),
        "out_of_sync",
        "synced",
        "active",
        "0 of 1",
    ),
    (
        replace(MATCHED, applications=apps("progressing", "healthy")),
        "deploying",
        "healthy",
        "active",
        "1 of 2 Applications are healthy",
    ),
    (
        replace(
            MATCHED,
            applications=apps("failed", "healthy"),
            failures=(("cert-manager-spoke-1", "hook failed"),),
        ),
        "failed",
        "synced",
        "failed",
        "cert-manager-spoke-1: hook failed",
    ),
    (
        replace(GOOD, applications=apps("degraded", "healthy")),
        "degraded",
        "synced",
        "failed",
        "1 of 2",
    ),
    (replace(GOOD, applications=apps("out_of_sync")), "out_of_sync", "synced", "active", "0 of 1"),
    (replace(GOOD, applications=apps("stale")), "stale", "synced", "active", "0 of 1"),
    (replace(GOOD, applications=apps("unknown")), "stale", "synced", "active", "0 of 1"),
    (
        replace(GOOD, hub_seen_at=ago(hours=3), hub_problem="Connection refused."),
        "stale",
        "synced",
        "waiting",
        "Nothing was heard of its hub for 3 hours. Connection refused.",
    ),
]


@pytest.mark.parametrize(("facts", "state", "stage", "step_state", "words"), CASES)
def test_it_says_where_it_stands_and_why(
    facts: Facts, state: str, stage: str, step_state: str, words: str
) -> None:
    found = timeline(facts, now=NOW)
    current = found.current
    assert current is not None
    assert (found.state.value, current.stage.value, current.state.value) == (
        state,
        stage,
        step_state,
    ), found
    assert words in current.reason
    assert found.sentence.strip()
    if current.state is StepState.FAILED:
        assert current.remedy
    behind = found.steps[list(Stage).index(current.stage) + 1 :]
    assert all(step.state in {StepState.TODO, StepState.DONE, StepState.WAITING} for step in behind)


def test_it_is_unreachable_whatever_the_applications_say() -> None:
    found = timeline(replace(GOOD, connection="Failed", connection_message="timeout"), now=NOW)
    assert found.state is ClusterState.UNREACHABLE
    assert found.sentence == "Argo CD cannot reach the cluster. timeout"


def test_it_says_what_to_do_next_beside_the_sentence() -> None:
    assert timeline(GOOD, now=NOW).advice == ""
    unreachable = timeline(replace(GOOD, connection="Failed"), now=NOW)
    assert "Argo CD tries again by itself" in unreachable.advice
    denied = ExternalSecretFacts(ready=False, message="AccessDeniedException")
    waiting = timeline(replace(GOOD, external_secret=denied), now=NOW)
    assert waiting.advice == waiting.step(Stage.SECRET).remedy != ""


@pytest.mark.parametrize(("seconds", "state"), [(14, "healthy"), (16, "stale")])
def test_it_is_stale_once_the_hub_is_silent_for_longer_than_a_restart(
    seconds: int, state: str
) -> None:
    since = NOW - timedelta(seconds=seconds)
    facts = replace(GOOD, argocd_silent_since=since, argocd_problem="It does not answer.")
    found = timeline(facts, now=NOW)
    assert found.state.value == state
    assert ("It does not answer." in found.sentence) is (state == "stale")
    assert ("Look at Argo CD on the hub" in found.advice) is (state == "stale")
    both = timeline(replace(facts, hub_silent_since=since, hub_problem="Refused."), now=NOW)
    assert both.state.value == state
    assert ("The hub has not answered" in both.sentence) is (state == "stale")
    assert ("API server" in both.advice) is (state == "stale")


@pytest.mark.parametrize(
    ("complaint", "words", "remedy"),
    [
        (
            "AccessDeniedException: User operator is not authorized to perform GetSecretValue",
            "AWS denies the hub's External Secrets Operator access",
            "Allow its role to read this secret",
        ),
        ("key server does not exist in secret fleet/a", "lacks a key", "Write server and config"),
        ("", "exists, but the External Secrets Operator cannot use it", "Check that it is JSON"),
    ],
)
def test_it_says_why_the_operator_fails_by_its_own_words(
    complaint: str, words: str, remedy: str
) -> None:
    secret = ExternalSecretFacts(
        ready=False,
        message="could not get secret data from provider",
        presence=SecretPresence.PRESENT,
        complaint=complaint,
    )
    step = timeline(replace(GOOD, external_secret=secret), now=NOW).step(Stage.SECRET)
    assert words in step.reason
    assert (complaint or secret.message) in step.reason
    assert remedy in step.remedy


def test_it_is_stale_while_the_application_controller_alone_is_away() -> None:
    since = NOW - timedelta(minutes=2)
    facts = replace(GOOD, controller_silent_since=since, controller_problem="It notes nothing.")
    found = timeline(facts, now=NOW)
    assert found.state.value == "stale"
    assert "Argo CD's application controller has not answered since" in found.sentence
    assert found.sentence.endswith("It notes nothing.")
    assert "Look at argocd-application-controller on the hub" in found.advice


@pytest.mark.parametrize(
    ("presence", "words"),
    [
        (SecretPresence.ABSENT, "does not exist in Secrets Manager"),
        (SecretPresence.PENDING_DELETION, "does not exist in Secrets Manager"),
        (SecretPresence.PRESENT, "exists, but the External Secrets Operator cannot use it"),
        (SecretPresence.DENIED, "cannot fetch the credentials"),
        (None, "cannot fetch the credentials"),
    ],
)
def test_it_believes_secrets_manager_where_the_operator_gives_no_reason(
    presence: SecretPresence | None, words: str
) -> None:
    failed = ExternalSecretFacts(
        ready=False,
        reason="SecretSyncedError",
        message="could not get secret data from provider",
        presence=presence,
        presence_detail="There is no secret fleet/a in eu-west-1. Create it.",
    )
    found = timeline(replace(GOOD, external_secret=failed), now=NOW)
    assert words in found.sentence
    absent = presence in {SecretPresence.ABSENT, SecretPresence.PENDING_DELETION}
    assert ("Create it." in found.advice) is absent


def test_it_takes_an_unknown_connection_for_no_failure() -> None:
    # Argo CD says Unknown until an Application targets the cluster.
    assert timeline(replace(GOOD, connection="Unknown"), now=NOW).state is ClusterState.HEALTHY


def test_it_tells_of_leaving_and_gone() -> None:
    assert timeline(replace(GOOD, removing=True), now=NOW).state is ClusterState.LEAVING
    assert timeline(replace(GOOD, removed=True), now=NOW).state is ClusterState.GONE
    assert timeline(Facts(), now=NOW).state is ClusterState.GONE


def test_it_does_not_contradict_itself_where_a_stage_was_not_seen() -> None:
    adopted = replace(GOOD, decision=None, approved_at=None, delivery=None, noticed_at=None)
    found = timeline(adopted, now=NOW)
    assert found.step(Stage.APPROVED).state is StepState.UNOBSERVED
    assert "no approval is known" in found.step(Stage.APPROVED).reason
    assert found.step(Stage.NOTICED).state is StepState.UNOBSERVED
    assert "was, which needs it" in found.step(Stage.NOTICED).reason
    assert found.step(Stage.COMMITTED).state is StepState.DONE
    assert found.state is ClusterState.HEALTHY


def test_it_does_not_hide_a_failure_behind_a_later_stage() -> None:
    found = timeline(
        replace(GOOD, external_secret=ExternalSecretFacts(ready=False, message="secret not found")),
        now=NOW,
    )
    assert found.step(Stage.SECRET).state is StepState.FAILED
    assert found.state is ClusterState.FAILED


def test_it_says_since_when_it_waits_and_how_long_that_usually_takes() -> None:
    usual = {Stage.REGISTERED: timedelta(seconds=30), Stage.NOTICED: timedelta(seconds=4)}
    found = timeline(FETCHED, now=NOW, usual=usual)
    step = found.step(Stage.REGISTERED)
    assert (step.since, step.usual) == (READY.at, timedelta(seconds=30))
    assert found.step(Stage.NOTICED).usual == timedelta(seconds=4)
    assert (found.step(Stage.MATCHED).since, found.step(Stage.MATCHED).usual) == (None, None)


def test_it_says_how_long_each_step_took_since_those_before_it() -> None:
    found = timeline(replace(GOOD, registered_at=ago(minutes=8)), now=NOW)
    assert [step.took for step in found.steps] == [
        timedelta(minutes=minutes) for minutes in (10, 1, 1, 1, 0, 2, 1, 1)
    ]
    adopted = timeline(replace(GOOD, submitted_at=None, approved_at=None), now=NOW)
    assert [step.took for step in adopted.steps][:3] == [None, None, timedelta(minutes=1)]


def test_it_takes_one_application_that_was_compared_as_a_sign_of_the_controller() -> None:
    one = replace(MATCHED, applications=apps("unknown", "healthy"), uncompared=1)
    assert "controller" not in timeline(one, now=NOW).step(Stage.SYNCED).reason
    lately = replace(MATCHED, applications=apps("unknown"), uncompared=1, matched_at=ago(seconds=9))
    assert "controller" not in timeline(lately, now=NOW).step(Stage.SYNCED).reason


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "AccessDeniedException: User is not authorized to perform GetSecretValue",
            "access_denied",
        ),
        (
            "operation error Secrets Manager: GetSecretValue, https response 403 Forbidden",
            "access_denied",
        ),
        ("Secret does not exist", "secret_missing"),
        (
            "ResourceNotFoundException: Secrets Manager can't find the specified secret.",
            "secret_missing",
        ),
        ("key server does not exist in secret fleet/spoke-1", "key_missing"),
        ('unable to execute template: map has no entry for key "server"', "key_missing"),
        ("the desired SecretStore aws is not ready", "store_not_ready"),
        ('could not get SecretStore "aws", not found', "store_not_ready"),
        ("something else happened", "other"),
        ("", "other"),
    ],
)
def test_it_knows_the_kinds_of_secret_trouble(message: str, kind: str) -> None:
    assert secret_problem(message) is SecretProblem(kind)


ANY_TIME = st.sampled_from([None, ago(minutes=1), ago(hours=2)])
ANY_FACTS = st.builds(
    Facts,
    decision=st.sampled_from([None, *DecisionState]),
    delivery=st.sampled_from([None, *DeliveryState]),
    committed_at=ANY_TIME,
    in_git=st.sampled_from([None, True, False]),
    hub_seen_at=ANY_TIME,
    noticed_at=ANY_TIME,
    files_problem=st.sampled_from(["", "broken"]),
    registration_problem=st.sampled_from(["", "nil"]),
    external_secret=st.sampled_from(
        [None, READY, ExternalSecretFacts(), ExternalSecretFacts(ready=False, message="denied")]
    ),
    registered_at=ANY_TIME,
    label_differences=st.sampled_from([(), DIFFERENT]),
    set_problems=st.sampled_from([(), (("a", OWNED),)]),
    same_server=st.sampled_from([(), ("spoke-9",)]),
    same_name=st.sampled_from([(), (), ("https://a", "https://b")]),
    clusters_seen_at=ANY_TIME,
    matched_at=ANY_TIME,
    own_groups=st.sampled_from([(), ("add-ons",)]),
    own_seen_at=ANY_TIME,
    own_applications=st.sampled_from([0, 1]),
    connection=st.sampled_from(["", "Successful", "Failed", "Unknown"]),
    matched=st.sampled_from([None, 0, 2]),
    applications=st.sampled_from(
        [None, apps(), apps("healthy"), apps("healthy", "unknown"), apps("failed"), apps("stale")]
    ),
    healthy_at=ANY_TIME,
)


@CALM
@given(ANY_FACTS)
def test_it_is_never_done_without_its_own_fact(facts: Facts) -> None:
    found = timeline(facts, now=NOW)
    done = {step.stage for step in found.steps if step.state is StepState.DONE}
    assert (Stage.APPROVED in done) is (facts.decision is DecisionState.APPROVED)
    assert Stage.COMMITTED not in done or facts.in_git or facts.delivery is DeliveryState.COMMITTED
    assert Stage.NOTICED not in done or facts.noticed_at is not None
    assert Stage.SECRET not in done or facts.external_secret is READY
    assert Stage.REGISTERED not in done or facts.registered_at is not None
    assert Stage.MATCHED not in done or facts.matched
    if {Stage.SYNCED, Stage.HEALTHY} & done:
        assert facts.is_fresh(NOW)
        assert facts.applications is not None
        assert facts.applications.total
    for step in found.steps:
        assert step.at is None or step.state is StepState.DONE
        assert step.reason or step.state in {StepState.DONE, StepState.TODO}


@CALM
@given(ANY_FACTS)
def test_it_is_healthy_only_where_everything_fresh_says_so(facts: Facts) -> None:
    found = timeline(facts, now=NOW)
    assert found.sentence
    assert len(found.steps) == len(Stage)
    if found.state is not ClusterState.HEALTHY:
        return
    assert facts.is_fresh(NOW)
    assert facts.is_committed()
    assert facts.applications == apps("healthy")
    assert facts.connection != "Failed"
    assert not facts.label_differences
    assert not facts.same_server
    assert not facts.same_name
    assert not facts.set_problems
    assert not facts.is_unknown_to_argo_cd()
    assert facts.own_seen_at is None or facts.own_applications
    assert StepState.FAILED not in {step.state for step in found.steps}


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"paused": True, "pausing": True}, ClusterState.PAUSED),
        ({"pausing": True}, ClusterState.PAUSED),
        ({"paused": True}, ClusterState.PAUSED),
        ({"paused": True, "connection": "Failed"}, ClusterState.PAUSED),
        ({"paused": True, "failures": (("web", "It failed."),)}, ClusterState.PAUSED),
        # What nobody has heard of for long may be paused no more.
        ({"paused": True, "hub_seen_at": ago(hours=1)}, ClusterState.STALE),
        ({"paused": True, "removing": True}, ClusterState.LEAVING),
        ({}, ClusterState.HEALTHY),
    ],
)
def test_it_is_paused_and_never_green(change: dict[str, object], state: ClusterState) -> None:
    told = timeline(replace(GOOD, pause_says="Paused by rita.", **change), now=NOW)  # type: ignore[arg-type]

    assert told.state is state
    assert ("Paused by rita." in told.sentence) is (state is ClusterState.PAUSED)


def test_what_applications_are_is_not_known_while_argo_cd_leaves_them_alone() -> None:
    left_alone = replace(GOOD, paused=True, applications=apps("stale", "stale"))
    for stage in (Stage.SYNCED, Stage.HEALTHY):
        step = timeline(left_alone, now=NOW).step(stage)
        assert step.state in (StepState.WAITING, StepState.TODO)
    step = timeline(left_alone, now=NOW).step(Stage.SYNCED)
    assert step.reason.endswith("while it is paused, so what they are now is not known.")


def test_it_gives_argo_cd_time_to_say_that_it_knows_a_new_cluster() -> None:
    """Its Applications are seen at once, its clusters are asked for every few seconds."""
    early = replace(MATCHED, registered_at=None, applications=apps("healthy"))
    asked = (None, ago(hours=1), ago(minutes=4, seconds=30))
    for at in asked:
        assert timeline(replace(early, clusters_seen_at=at), now=NOW).state is ClusterState.HEALTHY
    gone = timeline(replace(early, clusters_seen_at=ago(minutes=3)), now=NOW)
    assert gone.state is ClusterState.FAILED
    assert "its cluster secret on the hub" in gone.advice


@pytest.mark.parametrize(
    ("healthy_at", "matched_at", "state"),
    [
        (ago(hours=1), ago(hours=2), ClusterState.SELECTS_NOTHING),
        (None, ago(hours=2), ClusterState.SELECTS_NOTHING),
        (None, ago(minutes=5), ClusterState.DEPLOYING),
    ],
)
def test_it_is_not_well_while_its_own_argo_cd_deploys_nothing(
    healthy_at: datetime | None, matched_at: datetime, state: ClusterState
) -> None:
    facts = replace(
        GOOD,
        own_groups=("add-ons", "resources"),
        own_seen_at=ago(seconds=4),
        healthy_at=healthy_at,
        matched_at=matched_at,
    )
    found = timeline(facts, now=NOW)
    assert found.state is state
    assert found.sentence == (
        "Its own Argo CD has no Application: add-ons and resources are not deployed."
    )
    well = timeline(replace(facts, own_applications=1), now=NOW)
    assert well.state is ClusterState.HEALTHY


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "has 1 more Application for it, outside its own namespace; how it fares is"),
        (2, "has 2 more Applications for it, outside its own namespace; how they fare is"),
    ],
)
def test_it_says_beside_healthy_what_is_not_watched(count: int, said: str) -> None:
    """They may be other people's: the cluster's own are as well as they are."""
    found = timeline(replace(GOOD, unwatched=count), now=NOW)
    assert found.state is ClusterState.HEALTHY
    assert (
        found.sentence
        == f"All 2 Applications are synced and healthy. Argo CD {said} not known here."
    )


def test_it_has_a_word_for_every_state() -> None:
    assert [state.word for state in ClusterState] == [
        "Draft",
        "Waiting for approval",
        "Queued",
        "Committed",
        "Registering",
        "Deploying",
        "Healthy",
        "Degraded",
        "Out of sync",
        "Selects nothing",
        "Unreachable",
        "Stale",
        "Failed",
        "Paused",
        "Leaving",
        "Gone",
    ]


def test_it_counts_no_waiting_from_before_the_cluster_was_first_seen() -> None:
    """A fleet that was there long before: its Applications are old, what is known of them is not."""
    facts = replace(
        REGISTERED,
        decision=None,
        registered_at=ago(minutes=2),
        matched=2,
        matched_at=ago(days=11),
        applications=apps("out_of_sync", "healthy"),
    )
    found = timeline(facts, now=NOW)
    assert found.state is ClusterState.OUT_OF_SYNC
    assert found.sentence.endswith("It has waited for 2 minutes.")
    assert found.step(Stage.SYNCED).since == ago(minutes=2)
