"""What nobody may write into a fleet, sent by a program: refused at every field, nothing written."""

from __future__ import annotations

import pytest
from django.test import Client

from onboarding.models import Change
from tests.journey.conftest import Place
from tests.journey.test_api import REGISTRATIONS, body, errors, program
from tests.journey.test_registration import MEMBER_PATH

ABUSE = (
    "{{ .config }}", "{{`x`}}", "{% x %}", "${x}", "$(id)", "`id`", "a'b", 'a"b', "a\\b", "a\nb: c",
    "a\r\nb", "a\tb", "a\x00b", "a\x1bb", "a\x7fb", "a\u2028b", "a\u0085b", "a\u202eb", "a\u200bb",
    "\ufeffa", "\uff41bc", "\u0430bc", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "a: b", "a #b", "&a", "*a", "!!python/object:os.system", "%YAML 1.2", "- a", "[a]", "{a: b}",
    "| a", "> a", "? a", "@a b", "a;b", "a|b", "a&&b", "../../etc/passwd", "a/../b", "--upload-pack=x",
    "=1+1", "a b", "\U0001f680",
)  # fmt: skip


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@pytest.mark.parametrize("text", ABUSE, ids=lambda text: text.encode("unicode_escape").decode())
def test_it_refuses_what_is_no_name_at_every_field(place: Place, text: str) -> None:
    before = place.refs()
    asked = body(place, cluster=text, tenant=text, environment=text, server=text, model=text)
    asked |= {
        "secret_name": text,
        "options": {"addons_repo_basepath": text, "githubSecret": text, text: "x"},
        "pins": {"addonsRelease": text, "enable_cert_manager": text, text: "x"},
    }
    answer = program().post(REGISTRATIONS, asked)
    assert answer.status_code == 422
    wrong = set(errors(answer))
    assert {"cluster", "tenant", "environment", "server", "model"} <= wrong
    assert {"pins.addonsRelease", "pins.enable_cert_manager", "options.githubSecret"} <= wrong
    assert {f"options.{text}", f"pins.{text}"} <= wrong
    assert not Change.objects.exists()
    assert place.refs() == before


@pytest.mark.parametrize("text", ABUSE, ids=lambda text: text.encode("unicode_escape").decode())
@pytest.mark.parametrize("name", ["secret_name", "options.addons_repo_basepath"])
def test_it_refuses_what_may_not_stand_in_git(place: Place, name: str, text: str) -> None:
    place.secrets.add(text)
    asked = body(place)
    if name == "secret_name":
        asked["secret_name"] = text
    else:
        asked["options"] = {"addons_repo_basepath": text}
    answer = program().post(REGISTRATIONS, asked)
    if name == "secret_name" and text in ("--upload-pack=x", "=1+1"):
        # AWS allows these letters in a name. It is written quoted, and never an argument of a program.
        (edit,) = (one for one in Change.objects.get().plan["edits"] if one["path"] == MEMBER_PATH)
        assert f'secretManagerSecretName: "{text}"\n' in edit["after"]
        return
    assert answer.status_code == 422
    assert name in errors(answer)
    assert not Change.objects.exists()


def test_guessing_tokens_is_held_up_and_holds_up_nobody_else(place: Place) -> None:
    honest = program()
    guesser = Client(headers={"Authorization": "Bearer fui_0123456789abcdef_guess"})
    statuses = [guesser.get("/api/v1/clusters").status_code for _ in range(32)]
    assert statuses == [401] * 30 + [429] * 2
    held = guesser.get("/api/v1/clusters")
    assert held["Content-Type"] == "application/problem+json"
    assert int(held["Retry-After"]) >= 1
    assert honest.get("/api/v1/clusters").status_code == 200  # from the same address
    elsewhere = guesser.get("/api/v1/clusters", REMOTE_ADDR="198.51.100.7")
    assert elsewhere.status_code == 401
