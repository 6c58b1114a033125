"""Changes: drafts, requests, revisions, withdrawal and discussion; what is refused leaves nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from onboarding.domain.credentials import SecretPresence
from onboarding.domain.errors import Refused
from onboarding.models import Change, Comment, Event, Participant
from onboarding.services import auditing, changes, discussion, drafts, withdrawals
from tests.stage import Stage, member

pytestmark = pytest.mark.django_db

TYPED = {"cluster": "Half finished", "tenant": "t" * 70, "hub": "hub-a"}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.refusals[0].code


def draft(stage: Stage, actor: User | None = None, draft_id: int | None = None) -> Change:
    return drafts.save(
        fleet=stage.fleet,
        kind="register",
        form_data=TYPED,
        actor=actor or stage.requester,
        clock=stage.clock,
        draft_id=draft_id,
    )


def submit(stage: Stage, cluster: str = "spoke-a", **more: Any) -> Change:
    stage.repository.real.fetch()
    intent = more.pop("intent", None) or stage.intent(cluster)
    return changes.submit(
        **{
            "fleet": stage.fleet,
            "intent": intent,
            "form_data": {"cluster": cluster},
            "actor": stage.requester,
            "repository": stage.repository,
            "credentials": stage.secrets,
            "clock": stage.clock,
            **more,
        }
    )


def revise(stage: Stage, change: Change, actor: User, cluster: str = "spoke-a") -> Change:
    return changes.revise(
        change_id=change.pk,
        intent=stage.intent(cluster),
        form_data={"cluster": cluster},
        actor=actor,
        repository=stage.repository,
        credentials=stage.secrets,
        clock=stage.clock,
    )


def test_it_keeps_a_draft_right_or_wrong_and_asks_nobody(stage: Stage) -> None:
    kept = draft(stage)
    assert (kept.state, kept.form_data, kept.tenant) == ("draft", TYPED, "t" * 63)
    assert (kept.hub, kept.plan_digest) == (stage.hub, "")
    assert draft(stage, draft_id=kept.pk).pk == kept.pk
    assert Change.objects.count() == 1
    assert not Event.objects.exists()


def test_it_continues_only_an_own_draft_that_is_still_one(stage: Stage) -> None:
    kept = draft(stage)
    other = stage.person("otto", "requester")
    assert code_of(lambda: draft(stage, other, kept.pk)) == "not_a_draft"
    assert code_of(lambda: drafts.discard(change_id=kept.pk, actor=other)) == "not_a_draft"
    assert code_of(lambda: submit(stage, actor=other, draft_id=kept.pk)) == "not_a_draft"
    asked = submit(stage, draft_id=kept.pk)
    assert (asked.pk, asked.state) == (kept.pk, "submitted")
    assert code_of(lambda: draft(stage, draft_id=kept.pk)) == "not_a_draft"
    discard = lambda: drafts.discard(change_id=kept.pk, actor=stage.requester)  # noqa: E731
    assert code_of(discard) == "not_a_draft"
    assert Change.objects.get().state == "submitted"


def test_it_throws_a_draft_away(stage: Stage) -> None:
    drafts.discard(change_id=draft(stage).pk, actor=stage.requester)
    assert (Change.objects.count(), Participant.objects.count()) == (0, 0)


def test_it_asks_for_approval_of_the_plan_at_the_tip(stage: Stage) -> None:
    change = submit(stage)
    assert (change.state, change.revision, change.submitted_at) == (
        "submitted",
        1,
        stage.clock.now(),
    )
    assert [edit["path"] for edit in change.plan["edits"]] == [member("spoke-a")]
    assert change.plan_digest.startswith("sha256:")
    assert change.base_commit == stage.repository.snapshot().commit
    author = Participant.objects.get()
    assert (author.user, author.role) == (stage.requester, "author")
    event = Event.objects.get()
    assert (event.verb, event.detail["digest"]) == ("change.submitted", change.plan_digest)
    assert auditing.verify().problem == ""
    assert stage.files() == set()


@pytest.mark.parametrize(
    ("presence", "code"),
    [
        (SecretPresence.ABSENT, "secret_absent"),
        (SecretPresence.PENDING_DELETION, "secret_pending_deletion"),
        (SecretPresence.DENIED, ""),
        (SecretPresence.THROTTLED, ""),
        (SecretPresence.UNREACHABLE, ""),
    ],
)
def test_it_refuses_a_secret_only_where_it_is_known_not_to_be_there(
    stage: Stage, presence: SecretPresence, code: str
) -> None:
    intent = stage.intent("spoke-a")
    stage.secrets.add("fleet/spoke-a", presence)
    if not code:
        assert submit(stage, intent=intent).state == "submitted"
        return
    assert code_of(lambda: submit(stage, intent=intent)) == code
    assert not Change.objects.exists()
    assert not Event.objects.exists()


def test_it_asks_for_the_right_to_request(stage: Stage) -> None:
    change = submit(stage)
    for act in (
        lambda: draft(stage, stage.approver),
        lambda: submit(stage, "spoke-b", actor=stage.approver),
        lambda: revise(stage, change, stage.approver),
        lambda: changes.resubmit(
            change_id=change.pk,
            actor=stage.approver,
            repository=stage.repository,
            clock=stage.clock,
        ),
    ):
        assert code_of(act) == "forbidden"
    assert Change.objects.get().revision == 1
    assert Event.objects.count() == 1


def test_it_makes_whoever_revises_an_author_and_the_plan_another(stage: Stage) -> None:
    change = submit(stage)
    editor = stage.person("ed", "requester")
    after = revise(stage, change, editor, "spoke-b")
    assert (after.pk, after.revision, after.cluster_name) == (change.pk, 2, "spoke-b")
    assert after.plan_digest != change.plan_digest
    assert set(Participant.objects.values_list("user__username", "role")) == {
        ("rita", "author"),
        ("ed", "author"),
    }
    assert Event.objects.latest("pk").verb == "change.revised"


def test_it_lets_the_second_of_two_editors_look_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between planning and writing somebody else's edit arrives: ours is not laid over it."""
    change = submit(stage)
    plan = changes._plan

    def meanwhile(**arguments: Any) -> Any:
        found = plan(**arguments)
        Change.objects.filter(pk=change.pk).update(revision=2, tenant="theirs")
        return found

    monkeypatch.setattr(changes, "_plan", meanwhile)
    assert code_of(lambda: revise(stage, change, stage.requester)) == "raced"
    after = Change.objects.get()
    assert (after.revision, after.tenant, after.plan_digest) == (2, "theirs", change.plan_digest)
    assert Event.objects.count() == 1


def test_it_withdraws_what_is_open_for_its_author(stage: Stage) -> None:
    change = submit(stage)
    withdraw = lambda who: withdrawals.withdraw(change_id=change.pk, actor=who, clock=stage.clock)  # noqa: E731
    assert code_of(lambda: withdraw(stage.person("otto", "requester"))) == "not_allowed"
    assert Change.objects.get().state == "submitted"
    after = withdraw(stage.requester)
    assert (after.state, after.settled_at) == ("withdrawn", stage.clock.now())
    assert code_of(lambda: withdraw(stage.requester)) == "wrong_state"
    assert submit(stage).state == "submitted", "the name is free again"


def test_it_asks_again_for_a_change_that_lapsed(stage: Stage) -> None:
    change = stage.approved("spoke-a")
    path = "addons/tenants/defaults/fleet/fleet-secret/values.yaml"
    stage.human(path, 'externalSecret:\n  labels:\n    team: "x"\n')()
    assert stage.deliver().lapsed == (change.pk,)
    stage.clock.advance(60)
    again = changes.resubmit(
        change_id=change.pk,
        actor=stage.requester,
        repository=stage.repository,
        clock=stage.clock,
    )
    assert (again.state, again.state_note, again.submitted_at) == (
        "submitted",
        "",
        stage.clock.now(),
    )
    assert again.plan_digest != change.plan_digest
    assert stage.files() == set()


@pytest.mark.parametrize(
    ("body", "code"), [("", "required"), (" \n", "required"), ("x" * 4001, "too_long")]
)
def test_it_refuses_a_comment_that_says_nothing_or_too_much(
    stage: Stage, body: str, code: str
) -> None:
    change = submit(stage)

    def say() -> Comment:
        return discussion.comment(
            change_id=change.pk, body=body, actor=stage.approver, clock=stage.clock
        )

    assert code_of(say) == code
    assert not Comment.objects.exists()


def test_it_lets_everyone_speak_who_may_look(stage: Stage) -> None:
    change = submit(stage)
    said = discussion.comment(
        change_id=change.pk, body="  Why now?\n", actor=stage.person("vera"), clock=stage.clock
    )
    assert (said.body, said.change) == ("Why now?", change)
    assert Event.objects.latest("pk").verb == "change.discussed"
