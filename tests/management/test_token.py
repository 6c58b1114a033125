"""`manage.py token`: made, listed and revoked on the server."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from onboarding.models import Fleet, ServiceToken

pytestmark = pytest.mark.django_db


def token(*arguments: str) -> str:
    out = StringIO()
    call_command("token", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_it_prints_a_token_once_and_lists_it_without_its_text() -> None:
    Fleet.objects.create(name="platform", repository_url="https://git.example.com/x.git")
    text = token("make", "ci", "--may", "read", "edit", "--fleet", "platform").strip()
    kept = ServiceToken.objects.get()
    assert text.startswith(f"fui_{kept.prefix}_")
    listed = token("list")
    assert f"{kept.prefix}  ci  edit,read  platform" in listed
    assert text not in listed
    (one,) = json.loads(token("list", "--json"))
    assert one["may"] == ["edit", "read"]
    assert one["revoked_at"] is None
    token("revoke", kept.prefix)
    assert json.loads(token("list", "--json"))[0]["revoked_at"]
    with pytest.raises(CommandError, match="not revoked"):
        token("revoke", kept.prefix)


def test_it_refuses_what_is_not_there() -> None:
    with pytest.raises(CommandError, match="no fleet nowhere"):
        token("make", "ci", "--may", "read", "--fleet", "nowhere")
    with pytest.raises(CommandError, match="invalid choice"):
        token("make", "ci", "--may", "approve", "--fleet", "platform")
    assert not ServiceToken.objects.exists()
