"""Service tokens: made, known, expired and revoked; what they are is never kept, and they never decide."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate as sign_in
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import Right
from onboarding.domain.tokens import Verb
from onboarding.models import Approval, Delivery, Event, Fleet, ServiceAccount, ServiceToken
from onboarding.services import approvals, offboarding, service_tokens
from onboarding.services.rights import rights_of
from onboarding.services.service_tokens import Issued
from tests.fakes import FakeClock
from tests.stage import Stage

pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> Fleet:
    return Fleet.objects.create(name="platform", repository_url="https://git.example.com/x.git")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def issue(fleet: Fleet, clock: FakeClock, **given: Any) -> Issued:
    usual: dict[str, Any] = {
        "name": "terraform",
        "verbs": [Verb.READ, Verb.REGISTER],
        "fleets": [fleet],
        "days": 30,
        "actor": None,
    }
    return service_tokens.issue(**usual | given, clock=clock)


def test_it_knows_a_token_again_by_its_digest_alone(fleet: Fleet, clock: FakeClock) -> None:
    issued = issue(fleet, clock)
    assert issued.text.startswith(f"fui_{issued.token.prefix}_")
    found = service_tokens.authenticate(text=issued.text, clock=clock)
    assert found == issued.token
    assert found.verbs == ["read", "register"]
    assert str(found.account) == "terraform"
    secret = issued.text.split("_", 2)[2]
    kept = str(list(ServiceToken.objects.values())) + str(list(Event.objects.values()))
    assert issued.text not in kept
    assert secret not in kept
    assert issued.token.prefix in kept


def test_it_knows_no_token_that_is_wrong_expired_or_revoked(fleet: Fleet, clock: FakeClock) -> None:
    issued = issue(fleet, clock)
    wrong = issued.text[:-1] + ("a" if issued.text[-1] != "a" else "b")
    for text in ("", "fui_", wrong, issued.text.upper(), issued.text + " ", "\x00", "é" * 56):
        assert service_tokens.authenticate(text=text, clock=clock) is None
    clock.advance(30 * 86400)
    assert service_tokens.authenticate(text=issued.text, clock=clock) is None, "it expired"
    newer = issue(fleet, clock)
    service_tokens.revoke(prefix=newer.token.prefix, actor=None, clock=clock)
    assert service_tokens.authenticate(text=newer.text, clock=clock) is None, "it is revoked"
    newest = issue(fleet, clock)
    User.objects.filter(username="terraform").update(is_active=False)
    assert service_tokens.authenticate(text=newest.text, clock=clock) is None, "it is shut out"
    with pytest.raises(Refused, match="not revoked"):
        service_tokens.revoke(prefix=newer.token.prefix, actor=None, clock=clock)


def test_it_gives_two_tokens_of_one_service_one_identity(fleet: Fleet, clock: FakeClock) -> None:
    first, second = issue(fleet, clock), issue(fleet, clock)
    assert first.token.account == second.token.account
    assert ServiceAccount.objects.count() == 1


def test_it_notes_a_use_once_a_minute(fleet: Fleet, clock: FakeClock) -> None:
    issued = issue(fleet, clock)
    used = []
    for seconds in (0, 30, 40):
        clock.advance(seconds)
        service_tokens.authenticate(text=issued.text, clock=clock)
        used.append(ServiceToken.objects.get().last_used_at)
    assert used[0] == used[1] == issued.token.created_at
    assert used[2] == issued.token.created_at + timedelta(seconds=70)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "Bad Name"}, "name"),
        ({"name": "rita"}, "name"),
        ({"verbs": []}, "verbs"),
        ({"fleets": []}, "fleets"),
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
    ],
)
def test_it_refuses_what_is_missing_or_taken(
    fleet: Fleet, clock: FakeClock, given: dict[str, Any], field: str
) -> None:
    User.objects.create_user("rita")
    with pytest.raises(Refused) as refused:
        issue(fleet, clock, **given)
    assert [one.field for one in refused.value.refusals] == [field]
    assert not ServiceToken.objects.exists()
    assert not Event.objects.exists()


def test_it_lets_administrators_alone_make_and_revoke(fleet: Fleet, clock: FakeClock) -> None:
    issued = issue(fleet, clock)
    for actor in (User.objects.create_user("vera"), issued.token.account.user):
        with pytest.raises(Refused, match="administrator"):
            issue(fleet, clock, actor=actor)
        with pytest.raises(Refused, match="administrator"):
            service_tokens.revoke(prefix=issued.token.prefix, actor=actor, clock=clock)
    assert ServiceToken.objects.filter(revoked_at__isnull=True).count() == 1


def test_the_database_refuses_a_token_that_never_lived(fleet: Fleet, clock: FakeClock) -> None:
    token = issue(fleet, clock).token
    with pytest.raises(IntegrityError), transaction.atomic():
        ServiceToken.objects.filter(pk=token.pk).update(expires_at=token.created_at)


def test_a_service_has_its_two_rights_whatever_groups_it_is_in(
    fleet: Fleet, clock: FakeClock
) -> None:
    user = issue(fleet, clock).token.account.user
    user.groups.set(Group.objects.all())
    user.is_superuser = True
    user.save()
    assert rights_of(User.objects.get(pk=user.pk)) == {Right.VIEW, Right.REQUEST}


def test_nobody_signs_in_as_a_service(fleet: Fleet, clock: FakeClock) -> None:
    issued = issue(fleet, clock)
    for password in ("", issued.text):
        assert sign_in(username="terraform", password=password) is None


def test_a_service_never_decides_even_where_it_was_made_an_approver(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    change = stage.submitted("spoke-a")
    service = issue(stage.fleet, stage.clock).token.account.user
    service.groups.set(Group.objects.all())
    service = User.objects.get(pk=service.pk)
    decide: dict[str, Any] = {
        "change_id": change.pk,
        "digest": change.plan_digest,
        "actor": service,
        "clock": stage.clock,
    }
    with pytest.raises(Refused, match="program never decides") as refused:
        approvals.approve(**decide, queue=stage.queue)
    assert refused.value.refusals[0].code == "service"
    with pytest.raises(Refused, match="program never decides"):
        approvals.reject(**decide, reason="no")
    with pytest.raises(Refused, match="approve destructive"):
        offboarding.give_up_spoke(
            offboarding_id=1, actor=service, reason="gone", confirmed="x", clock=stage.clock
        )
    change.refresh_from_db()
    assert change.state == "submitted"
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()
