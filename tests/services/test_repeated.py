"""What is sent twice under one key is done once: after crashes, refusals, and at the same moment."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from onboarding import tasks, wiring
from onboarding.domain.errors import Refused, Transient
from onboarding.domain.tokens import Verb
from onboarding.models import Change, Event, IdempotencyKey, ServiceAccount
from onboarding.services import changes, repeated, service_tokens, withdrawals
from tests.services.test_races import at_once
from tests.stage import Stage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.fixture
def account(stage: Stage) -> ServiceAccount:
    issued = service_tokens.issue(
        name="terraform",
        verbs=[Verb.REGISTER],
        fleets=[stage.fleet],
        days=1,
        actor=None,
        clock=stage.clock,
    )
    return issued.token.account


def ask(stage: Stage, account: ServiceAccount, **given: Any) -> repeated.Answer:
    def act(also: repeated.Record) -> Change:
        stage.secrets.add("fleet/spoke-a")
        return changes.submit(
            fleet=stage.fleet,
            intent=stage.intent("spoke-a"),
            form_data={},
            actor=account.user,
            repository=stage.repository,
            credentials=stage.secrets,
            clock=stage.clock,
            also=also,
        )

    usual: dict[str, Any] = {"key": "k", "fingerprint": "f", "act": act, "patience": 20.0}
    return repeated.once(
        account=account,
        clock=stage.clock,
        tell=lambda change: {"number": change.pk},
        **usual | given,
    )


def refuse(also: repeated.Record) -> Change:
    raise Refused("no")


def test_it_does_once_what_many_send_at_the_same_moment(
    stage: Stage, account: ServiceAccount
) -> None:
    stage.repository.real.fetch()
    found = at_once(*[lambda: ask(stage, account)] * 6)
    change = Change.objects.get()
    assert [answer.body for answer in found] == [{"number": change.pk}] * 6
    assert sorted(answer.is_repeated for answer in found) == [False] + [True] * 5
    assert Event.objects.filter(verb="change.submitted").count() == 1
    assert IdempotencyKey.objects.get().change_id == change.pk


def test_it_lets_one_of_two_bodies_have_the_key(stage: Stage, account: ServiceAccount) -> None:
    stage.repository.real.fetch()
    found = at_once(
        *(
            lambda name=name: ask(stage, account, fingerprint=name)  # type: ignore[misc]
            for name in ("f1", "f2", "f1", "f2")
        )
    )
    refused = [one for one in found if isinstance(one, Refused)]
    assert [one.refusals[0].code for one in refused] == ["key_reused"] * 2
    assert Change.objects.count() == 1


def test_it_gives_a_key_back_where_nothing_was_written(
    stage: Stage, account: ServiceAccount
) -> None:
    for error, act in (
        (Refused, refuse),
        (ZeroDivisionError, lambda also: 1 / 0),  # type: ignore[misc]
    ):
        with pytest.raises(error):
            ask(stage, account, act=act)
        assert not IdempotencyKey.objects.exists()
    assert not ask(stage, account, fingerprint="another").is_repeated


def begun(stage: Stage, account: ServiceAccount) -> IdempotencyKey:
    """The row of somebody who began and was not heard of since."""
    return IdempotencyKey.objects.create(
        account=account, key="k", fingerprint="f", begun_at=stage.clock.now()
    )


def test_it_waits_for_who_began_and_then_says_to_try_again(
    stage: Stage, account: ServiceAccount
) -> None:
    begun(stage, account)
    with pytest.raises(Transient, match="being worked on"):
        ask(stage, account, patience=0.0)
    assert not Change.objects.exists()
    stage.clock.advance(repeated.LEASE.total_seconds() + 1)
    assert ask(stage, account, patience=0.0).body == {"number": Change.objects.get().pk}


def test_who_was_taken_for_dead_writes_nothing_more(stage: Stage, account: ServiceAccount) -> None:
    def slow(also: repeated.Record) -> Change:
        stage.clock.advance(repeated.LEASE.total_seconds() + 1)
        answers.append(ask(stage, account))
        return changes.submit(
            fleet=stage.fleet,
            intent=stage.intent("spoke-b"),
            form_data={},
            actor=account.user,
            repository=stage.repository,
            credentials=stage.secrets,
            clock=stage.clock,
            also=also,
        )

    answers: list[repeated.Answer] = []
    stage.secrets.add("fleet/spoke-b")
    with pytest.raises(Transient, match="too long"):
        ask(stage, account, act=slow)
    assert [answer.body["number"] for answer in answers] == [Change.objects.get().pk]
    assert Change.objects.get().cluster_name == "spoke-a"
    assert ask(stage, account).is_repeated


def test_it_forgets_old_keys_but_never_that_of_an_open_change(
    stage: Stage, account: ServiceAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ask(stage, account)
    change = Change.objects.get()
    IdempotencyKey.objects.create(
        account=account, key="died", fingerprint="f", begun_at=stage.clock.now()
    )
    stage.clock.advance(repeated.KEPT_FOR.total_seconds() - 1)
    IdempotencyKey.objects.create(
        account=account, key="new", fingerprint="f", begun_at=stage.clock.now()
    )
    assert repeated.forget(clock=stage.clock) == 0
    stage.clock.advance(2)
    assert repeated.forget(clock=stage.clock) == 1
    keys = IdempotencyKey.objects.values_list("key", flat=True)
    assert set(keys) == {"k", "new"}
    assert ask(stage, account).body == answer.body, "people may still decide on it"

    withdrawals.withdraw(change_id=change.pk, actor=account.user, clock=stage.clock)
    monkeypatch.setattr(wiring, "clock", lambda: stage.clock)
    monkeypatch.setattr(wiring, "queue", lambda: stage.queue)
    tasks.sweep()
    assert set(keys.all()) == {"new"}
    assert Change.objects.get().pk == change.pk, "only the key goes"
    assert not ask(stage, account).is_repeated
    assert Change.objects.count() == 2


def test_the_database_keeps_no_answer_without_a_change(
    stage: Stage, account: ServiceAccount
) -> None:
    row = begun(stage, account)
    with pytest.raises(IntegrityError), transaction.atomic():
        IdempotencyKey.objects.filter(pk=row.pk).update(answer={"number": 1})
    with pytest.raises(IntegrityError), transaction.atomic():
        begun(stage, account)


def test_two_texts_of_one_meaning_have_one_fingerprint() -> None:
    one = repeated.fingerprint(what="x", asked={"a": 1, "b": ["ä", None]})
    assert one == repeated.fingerprint(what="x", asked={"b": ["ä", None], "a": 1})
    for other in ({"a": "1", "b": ["ä", None]}, {"a": 1}, {"a": 1, "b": [None, "ä"]}):
        assert one != repeated.fingerprint(what="x", asked=other)
    assert timedelta(seconds=repeated.PATIENCE) < repeated.LEASE
