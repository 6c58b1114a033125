"""Answers that no good provider gives: nobody is signed in by one, and the page says why."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group, User
from django.http import HttpResponse

from onboarding.models import ExternalIdentity, SignIn
from tests.journey import reading
from tests.signing_in.conftest import Browser
from tests.signing_in.hostile import LOGOUT, Hostile, hostile_provider
from tests.signing_in.provider import CLIENT_ID, SECRET


@pytest.fixture
def hostile(configure: Callable[..., Any], db: None) -> Iterator[Hostile]:
    with hostile_provider() as provider:
        configure(provider.issuer)
        yield provider


def come_back(visitor: Browser, hostile: Hostile, **sent: str) -> HttpResponse:
    """Press the button, and be sent back at once."""
    asked = parse_qs(urlsplit(visitor.begin()).query)
    hostile.nonce = hostile.nonce or asked["nonce"][0]
    query = {"code": "code", "state": asked["state"][0]} | sent
    return visitor.here.get("/login/callback/", query)  # type: ignore[return-value]


def assert_nobody(answer: HttpResponse, status: int, *words: str) -> None:
    said = reading.words(answer)
    assert answer.status_code == status, said
    for word in words:
        assert word in said
    assert not User.objects.exists()
    assert not SignIn.objects.exists()


def test_an_honest_answer_signs_in(hostile: Hostile, visitor: Browser):
    answer = come_back(visitor, hostile)

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert SignIn.objects.get().user.username == "ada"
    sent = dict(hostile.asked)["/token"]
    assert len(sent["code_verifier"]) >= 43


NOW = int(time.time())
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"aud": "another-client"}, "its aud is not"),
    "two audiences and no authorized party": ({"aud": [CLIENT_ID, "other"]}, "its azp is not"),
    "another authorized party": ({"azp": "another-client"}, "its azp is not"),
    "no audience": ({"aud": None}, "its aud is not"),
    "another issuer": ({"iss": "https://evil.example.com"}, "its iss is not"),
    "no issuer": ({"iss": None}, "its iss is not"),
    "another nonce": ({"nonce": "replayed"}, "its nonce is not"),
    "no nonce": ({"nonce": None}, "its nonce is not"),
    "no subject": ({"sub": None}, "its sub is not"),
    "another access token": ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "its at_hash is not"),
    "no expiry": ({"exp": None}, "outside of its time"),
    "expired": ({"exp": NOW - 120, "iat": NOW - 400}, "outside of its time"),
    "of the future": ({"iat": NOW + 3600, "exp": NOW + 7200}, "The two clocks differ"),
    "a time that is none": ({"exp": "tomorrow"}, "outside of its time"),
}


@pytest.mark.parametrize("case", WRONG)
def test_it_takes_no_token_with(case: str, hostile: Hostile, visitor: Browser):
    hostile.claims, words = WRONG[case]

    assert_nobody(come_back(visitor, hostile), 502, words)


def test_it_takes_no_token_without_a_signature(hostile: Hostile, visitor: Browser):
    hostile.token = hostile.unsigned

    assert_nobody(come_back(visitor, hostile), 502, "its signature does not hold")


@pytest.mark.parametrize("what", ["the client's secret", "the published key"])
def test_it_takes_no_token_signed_with(what: str, hostile: Hostile, visitor: Browser):
    secret = SECRET.encode() if "client" in what else hostile.key.as_pem(private=False)
    hostile.token = lambda claims: hostile.with_secret(secret, claims)
    # As if the provider offered it: what we allow is ours to say.
    hostile.metadata = {"id_token_signing_alg_values_supported": ["HS256", "none"]}

    assert_nobody(come_back(visitor, hostile), 502, "its signature does not hold")


def test_it_takes_no_key_that_is_a_published_secret(hostile: Hostile, visitor: Browser):
    secret = b"a-secret-that-everybody-can-read-in-the-published-keys"
    published = urlsafe_b64encode(secret).decode().rstrip("=")
    hostile.published = [{"kty": "oct", "k": published, "kid": "one", "alg": "HS256"}]
    hostile.token = lambda claims: hostile.with_secret(secret, claims)

    assert_nobody(come_back(visitor, hostile), 502, "its signature does not hold")


def test_it_takes_no_token_by_a_key_that_is_not_the_providers(hostile: Hostile, visitor: Browser):
    for kid in ("one", "two"):
        hostile.token = lambda claims, kid=kid: hostile.signed(claims, "another's", kid=kid)
        assert_nobody(come_back(visitor, hostile), 502, "its signature does not hold")


def test_unknown_keys_do_not_have_the_provider_asked_each_time(hostile: Hostile, visitor: Browser):
    hostile.token = lambda claims: hostile.signed(claims, kid="unknown")
    for _ in range(5):
        hostile.nonce = ""
        come_back(visitor, hostile)

    assert [path for path, _ in hostile.asked].count("/jwks") <= 2


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJSUzI1NiJ9..", None, 7, {"a": 1}])
def test_it_takes_no_token_that_is_none(text: Any, hostile: Hostile, visitor: Browser):
    hostile.token = lambda claims: text

    assert_nobody(come_back(visitor, hostile), 502)


@pytest.mark.parametrize(
    ("status", "answered", "words"),
    [
        (500, {}, "cannot be reached"),
        (302, {}, "cannot be relied on"),
        (400, {"error": "invalid_grant"}, "was used already, or took too long"),
        (401, {"error": "invalid_client"}, "client id and secret"),
        (503, {"error": "temporarily_unavailable"}, "cannot be reached"),
    ],
)
def test_it_says_what_is_wrong_at_the_provider(
    status: int, answered: dict[str, str], words: str, hostile: Hostile, visitor: Browser
):
    hostile.status, hostile.extra = status, answered
    hostile.token = lambda claims: None

    answer = come_back(visitor, hostile)

    assert words in reading.words(answer)
    assert answer.status_code in (400, 502, 503)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"issuer": "https://evil.example.com"}, "calls itself by another address"),
        ({"authorization_endpoint": "http://evil.example.com/auth"}, "no https address"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "no https address"),
        ({"authorization_endpoint": None}, "no https address"),
    ],
)
def test_it_sends_nobody_to_an_address_that_is_not_safe(
    metadata: dict[str, Any], words: str, hostile: Hostile, visitor: Browser
):
    hostile.metadata = metadata

    answer = visitor.here.get("/login/provider/")

    assert (answer.status_code, words in reading.words(answer)) == (502, True)


def test_it_takes_no_answer_of_another_provider(hostile: Hostile, visitor: Browser):
    answer = come_back(visitor, hostile, iss="https://evil.example.com")

    assert_nobody(answer, 502, "came from another provider")
    assert "/token" not in dict(hostile.asked)


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        ("access_denied", 403, "did not let you in"),
        ("login_required", 403, "wants to see you again"),
        ("server_error", 503, "Try again in a minute"),
        ("invalid_scope", 502, "how it is registered there"),
        ("<script>alert(1)</script>", 502, "how it is registered there"),
    ],
)
def test_it_says_what_the_provider_refused(
    error: str, status: int, words: str, hostile: Hostile, visitor: Browser
):
    answer = come_back(visitor, hostile, error=error)

    assert_nobody(answer, status, words)
    assert "alert(1)" not in reading.html(answer)


def test_a_state_counts_once_and_in_its_own_browser(hostile: Hostile, visitor: Browser):
    asked = parse_qs(urlsplit(visitor.begin()).query)
    hostile.nonce = asked["nonce"][0]
    query = {"code": "code", "state": asked["state"][0]}

    stranger = Browser().here.get("/login/callback/", query)
    assert_nobody(stranger, 400, "begun elsewhere")
    assert visitor.here.get("/login/callback/", query).status_code == 302
    again = visitor.here.get("/login/callback/", query)
    assert (again.status_code, "begun elsewhere" in reading.words(again)) == (400, True)
    for nothing in ({}, {"state": ""}, {"code": "code"}):
        assert Browser().here.get("/login/callback/", nothing).status_code == 400


def test_a_sign_in_that_took_too_long_is_begun_anew(
    hostile: Hostile, visitor: Browser, time_machine
):  # type: ignore[no-untyped-def]
    asked = parse_qs(urlsplit(visitor.begin("/lint/")).query)
    time_machine.move_to(datetime.now(UTC) + timedelta(minutes=16))

    answer = visitor.here.get("/login/callback/", {"code": "c", "state": asked["state"][0]})

    assert_nobody(answer, 400, "more than a quarter of an hour")


# --- What a person is ---------------------------------------------------------------------------


def test_a_person_is_the_subject_and_not_the_name(hostile: Hostile, visitor: Browser):
    come_back(visitor, hostile)
    hostile.nonce, hostile.claims = "", {"preferred_username": "renamed", "email": "x@example.com"}
    come_back(Browser(), hostile)
    assert User.objects.get().username == "ada"

    hostile.nonce, hostile.claims = "", {"sub": "mallory", "email": "x@example.com"}
    answer = come_back(Browser(), hostile)

    assert answer.status_code == 403
    assert "Your name is taken here" in reading.words(answer)
    assert ExternalIdentity.objects.get().subject == "ada"


@pytest.mark.parametrize("name", ["ada", "Ada"])
def test_an_account_that_was_made_here_is_never_taken_over(
    name: str, hostile: Hostile, visitor: Browser
):
    User.objects.create_user(name, "ada@example.com", "a password of her own")
    hostile.claims = {"email": "ada@example.com"}

    answer = come_back(visitor, hostile)

    assert answer.status_code == 403
    assert "link them" in reading.words(answer)
    assert not ExternalIdentity.objects.exists()
    assert User.objects.get().check_password("a password of her own")


@pytest.mark.parametrize("name", [None, "", "two words", "a" * 151, "<b>", 7, "\u0430da/"])
def test_a_name_that_cannot_be_used_makes_no_account(name: Any, hostile: Hostile, visitor: Browser):
    hostile.claims = {"preferred_username": name}

    assert_nobody(come_back(visitor, hostile), 502, "claim preferred_username")


def test_somebody_who_is_switched_off_stays_out(hostile: Hostile, visitor: Browser):
    come_back(visitor, hostile)
    User.objects.update(is_active=False)
    assert visitor.here.get("/account/sessions/").status_code == 302
    hostile.nonce = ""

    answer = come_back(Browser(), hostile)

    assert (answer.status_code, "switched off" in reading.words(answer)) == (403, True)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"groups": None}, "sent no groups"),
        ({"groups": None, "_claim_names": {"groups": "src1"}}, "too many for it to send"),
        ({"groups": None, "hasgroups": True}, "too many for it to send"),
        ({"groups": [f"g{number}" for number in range(501)]}, "more than 500 groups"),
        ({"groups": {"platform-team": True}}, "no list of names"),
        ({"groups": ["platform-team", 7]}, "no list of names"),
    ],
)
def test_groups_that_cannot_be_read_are_none(
    claims: dict[str, Any], words: str, hostile: Hostile, visitor: Browser
):
    come_back(visitor, hostile)
    assert User.objects.get().groups.count() == 1
    hostile.nonce, hostile.claims = "", claims

    answer = come_back(Browser(), hostile)

    assert answer.status_code == 302
    assert not User.objects.get().groups.exists()


def test_who_is_in_no_group_that_may_sign_in_stays_out(
    hostile: Hostile, visitor: Browser, configure: Callable[..., Any]
):
    configure(hostile.issuer, required=("platform-admins",))
    assert_nobody(come_back(visitor, hostile), 403, "none of the groups that may sign in here")

    hostile.nonce, hostile.claims = "", {"groups": ["platform-admins"]}
    assert come_back(Browser(), hostile).status_code == 302

    # Groups that cannot be read are none of them.
    hostile.nonce, hostile.claims = "", {"groups": None, "hasgroups": True}
    answer = come_back(Browser(), hostile)
    assert (answer.status_code, "too many" in reading.words(answer)) == (403, True)


def test_it_finds_groups_in_a_claim_of_a_claim(
    hostile: Hostile, visitor: Browser, configure: Callable[..., Any]
):
    configure(hostile.issuer, groups_claim="realm_access.roles")
    hostile.claims = {"realm_access": {"roles": ["admins"]}}

    come_back(visitor, hostile)

    assert Group.objects.filter(user__username="ada").get().name == "oidc:admins"


def test_an_address_that_the_provider_says_is_unproved_is_not_taken(
    hostile: Hostile, visitor: Browser
):
    hostile.claims = {"email": "boss@example.com", "email_verified": False}

    come_back(visitor, hostile)

    assert User.objects.get().email == ""


# --- The provider says that somebody left ---------------------------------------------------------


def left(hostile: Hostile, **claims: Any) -> str:
    """A logout token about Ada."""
    said = {
        "iss": hostile.issuer,
        "aud": CLIENT_ID,
        "iat": int(time.time()),
        "exp": int(time.time()) + 120,
        "jti": "once",
        "sub": "ada",
        "events": {LOGOUT: {}},
    } | claims
    said = {name: value for name, value in said.items() if value is not None}
    return hostile.signed(said, typ="logout+jwt")


def test_who_signed_out_at_the_provider_is_signed_out_here(hostile: Hostile, visitor: Browser):
    come_back(visitor, hostile)
    assert visitor.here.get("/account/sessions/").status_code == 200

    told = Browser().here.post("/login/ended/", {"logout_token": left(hostile)})

    assert (told.status_code, told["Cache-Control"]) == (200, "no-store")
    assert visitor.here.get("/account/sessions/").status_code == 302


@pytest.mark.parametrize(
    "claims",
    [
        {"events": None},
        {"events": {"other": {}}},
        {"nonce": "as in an ID token"},
        {"aud": "another-client"},
        {"iss": "https://evil.example.com"},
        {"iat": int(time.time()) - 600},
        {"iat": None},
        {"sub": None},
    ],
)
def test_it_believes_no_logout_token_with(
    claims: dict[str, Any], hostile: Hostile, visitor: Browser
):
    come_back(visitor, hostile)

    told = visitor.here.post("/login/ended/", {"logout_token": left(hostile, **claims)})

    assert told.status_code == 400
    assert visitor.here.get("/account/sessions/").status_code == 200


def test_an_old_word_ends_no_new_session(hostile: Hostile, visitor: Browser):
    before = left(hostile, iat=int(time.time()) - 90)
    come_back(visitor, hostile)

    assert visitor.here.post("/login/ended/", {"logout_token": before}).status_code == 200
    assert visitor.here.get("/account/sessions/").status_code == 200
