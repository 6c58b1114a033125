"""`manage.py grant`: people and their groups."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from onboarding.domain.lifecycle import Right
from onboarding.models import ServiceAccount
from onboarding.services.rights import rights_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def password(tmp_path: Path) -> Path:
    """A file with a password that the rules allow."""
    file = tmp_path / "password"
    file.write_text("orbit-lantern-71\n")
    return file


def test_it_makes_a_person_who_may_sign_in_and_ask(
    password: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("grant", "ada", "Requesters", password_file=password, email="ada@example.com")
    ada = User.objects.get()
    assert ada.check_password("orbit-lantern-71")
    assert rights_of(ada) == {Right.VIEW, Right.REQUEST}
    assert (ada.email, ada.is_superuser) == ("ada@example.com", False)
    assert capsys.readouterr().out == "New: ada (Requesters).\n"


def test_it_gives_exactly_what_is_named_and_leaves_the_password(password: Path) -> None:
    call_command("grant", "ada", "Requesters", "Approvers", password_file=password)
    call_command("grant", "ada", "Administrators")
    ada = User.objects.get()
    assert rights_of(ada) == {Right.VIEW, Right.ADMINISTER}
    assert ada.check_password("orbit-lantern-71")
    call_command("grant", "ada")
    assert rights_of(User.objects.get()) == frozenset()
    call_command("grant", "ada", "Viewers")
    assert rights_of(User.objects.get()) == {Right.VIEW}


@pytest.mark.parametrize(
    ("groups", "typed", "words"),
    [
        (["Kings"], "orbit-lantern-71", "no group Kings. Choose of: Administrators, Approvers"),
        (["Requesters"], "12345678", "Nothing was changed"),
    ],
)
def test_it_refuses_in_a_sentence_and_changes_nothing(
    tmp_path: Path, groups: list[str], typed: str, words: str
) -> None:
    file = tmp_path / "password"
    file.write_text(typed)
    with pytest.raises(CommandError, match=words):
        call_command("grant", "ada", *groups, password_file=file)
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("grant", "ada", password_file=tmp_path / "nowhere")
    assert not User.objects.exists()


def test_it_leaves_services_alone(password: Path) -> None:
    service = User.objects.create_user("terraform")
    ServiceAccount.objects.create(user=service, created_at=datetime.now(UTC))
    with pytest.raises(CommandError, match="terraform is a service"):
        call_command("grant", "terraform", "Approvers", password_file=password)
    service.refresh_from_db()
    assert not service.groups.exists()
    assert not service.has_usable_password()
