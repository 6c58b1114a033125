"""Guessing costs time, for whoever guesses; sessions end; no cookie and no page outlives them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from django.conf import settings as live
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory

from onboarding import wiring
from onboarding.domain.attempts import Failures, counted, wait
from onboarding.models import Event, SignIn, SignInFailures
from onboarding.services import attempts
from onboarding.views.visitors import address_of
from tests.journey import reading

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PASSWORD = "a password of her own"


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password=PASSWORD)


def tries(
    client: Client, password: str, *, name: str = "ada", address: str = "192.0.2.1"
) -> HttpResponse:
    """Send the form from an address."""
    given = {"username": name, "password": password}
    return client.post("/login/", given, REMOTE_ADDR=address)  # type: ignore[return-value]


def without_what_differs(answer: HttpResponse) -> str:
    """The page without its time, its form's token and the name that was typed."""
    page = re.sub(r'name="server-time" content="[^"]*"', "", reading.html(answer))
    page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", page)
    return re.sub(r'(id="id_username" value=)"[^"]*"', r"\1", page)


# --- Back-off -------------------------------------------------------------------------------------


def test_each_failure_after_the_free_ones_doubles_the_wait() -> None:
    waits = [wait(Failures(count, NOW), free=5, now=NOW).seconds for count in range(4, 16)]

    assert waits == [0, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900, 900]
    assert wait(None, free=5, now=NOW) == timedelta(0)
    assert wait(Failures(5, NOW), free=5, now=NOW + timedelta(seconds=5)) == timedelta(0)


def test_an_hour_without_a_failure_forgets_them() -> None:
    later = NOW + timedelta(hours=1)

    assert wait(Failures(30, NOW), free=5, now=later) == timedelta(0)
    assert counted(Failures(30, NOW), now=later) == Failures(1, later)
    assert counted(Failures(3, NOW), now=NOW) == Failures(4, NOW)


# --- Passwords ------------------------------------------------------------------------------------


def test_guessing_is_held_up_and_waiting_helps(ada: User, time_machine):  # type: ignore[no-untyped-def]
    guesser = Client()
    for _ in range(5):
        assert tries(guesser, "wrong").status_code == 200
    held = tries(guesser, PASSWORD)

    assert (held.status_code, held["Retry-After"]) == (429, "5")
    assert "Too many attempts" in reading.words(held)
    assert "_auth_user_id" not in guesser.session
    time_machine.move_to(datetime.now(UTC) + timedelta(seconds=6))
    assert tries(guesser, PASSWORD).status_code == 302


def test_waiting_is_not_made_longer_by_trying_meanwhile(ada: User):
    guesser = Client()
    for _ in range(5):
        tries(guesser, "wrong")
    waits = [int(tries(guesser, "wrong")["Retry-After"]) for _ in range(10)]

    assert max(waits) <= 5


def test_a_stranger_who_guesses_from_everywhere_does_not_lock_the_owner_out(ada: User):
    own = Client()
    assert tries(own, PASSWORD, address="198.51.100.7").status_code == 302
    own.post("/logout/")
    for number in range(40):
        tries(Client(), "wrong", address=f"192.0.2.{number}")
    assert tries(Client(), PASSWORD, address="203.0.113.9").status_code == 429

    assert tries(own, PASSWORD, address="198.51.100.7").status_code == 302


def test_a_known_browser_may_not_guess_for_ever_either(ada: User):
    own = Client()
    tries(own, PASSWORD)
    own.post("/logout/")

    answers = [tries(own, "wrong").status_code for _ in range(12)]

    assert answers == [200] * 10 + [429] * 2


def test_the_mark_of_a_browser_counts_for_its_account_alone(ada: User):
    User.objects.create_user("ben", password=PASSWORD)
    own = Client()
    tries(own, PASSWORD)
    own.post("/logout/")
    for _ in range(5):
        tries(own, "wrong", name="ben")

    assert tries(own, "wrong", name="ben").status_code == 429
    forged = Client()
    forged.cookies["fleetui_device"] = own.cookies["fleetui_device"].value + "x"
    for _ in range(5):
        tries(forged, "wrong", address="203.0.113.5")
    assert tries(forged, "wrong", address="203.0.113.5").status_code == 429


def test_one_address_does_not_try_every_account(ada: User):
    answers = [
        tries(Client(), "Spring2026!", name=f"person{number}").status_code for number in range(52)
    ]

    assert answers == [200] * 50 + [429] * 2
    assert tries(Client(), PASSWORD, address="198.51.100.7").status_code == 302


def test_an_ipv6_network_counts_as_one_address(ada: User):
    for number in range(5):
        tries(Client(), "wrong", address=f"2001:db8:1:2::{number:x}")

    assert tries(Client(), "wrong", address="2001:db8:1:2:ffff::1").status_code == 429
    assert tries(Client(), "wrong", address="2001:db8:1:3::1").status_code == 200


def test_a_success_forgets_the_mistakes_of_its_address(ada: User):
    for _ in range(4):
        tries(Client(), "wrong")
    assert tries(Client(), PASSWORD).status_code == 302

    assert tries(Client(), "wrong").status_code == 200
    assert tries(Client(), PASSWORD).status_code == 302


@pytest.mark.parametrize("name", ["nobody", "inactive", "of-the-provider"])
def test_an_unknown_name_is_answered_like_a_wrong_password(
    ada: User, name: str, monkeypatch: pytest.MonkeyPatch
):
    User.objects.create_user("inactive", password=PASSWORD, is_active=False)
    User.objects.create_user("of-the-provider")  # without a password
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(
        MD5PasswordHasher,
        "encode",
        lambda self, *a, **k: hashed.append("") or encode(self, *a, **k),
    )

    wrong, hashed_wrong = tries(Client(), "wrong"), len(hashed)
    other = tries(Client(), "wrong" if name != "inactive" else PASSWORD, name=name)

    # What takes the time is done as often, and every word is the same.
    assert len(hashed) == 2 * hashed_wrong
    assert hashed_wrong >= 1
    assert without_what_differs(other) == without_what_differs(wrong)
    assert other.status_code == wrong.status_code


def test_what_was_typed_as_a_name_is_not_kept(ada: User):
    tries(Client(), "wrong", name="My Password By Mistake")

    assert all(len(row.key) == 64 for row in SignInFailures.objects.all())
    assert not Event.objects.filter(message__contains="Mistake").exists()


@pytest.mark.django_db(transaction=True)
def test_many_guesses_at_once_are_many():
    def guess(_: int) -> bool:
        try:
            made = attempts.at_account(
                name="ada", address="192.0.2.1", device="", clock=wiring.clock()
            )
        finally:
            connection.close()
        return not made.wait

    with ThreadPoolExecutor(16) as threads:
        let_through = list(threads.map(guess, range(16)))

    assert let_through.count(True) == 5


# --- Addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.9", "1.1.1.1", "203.0.113.9"),  # who is no proxy says what they like
        ("10.0.0.2", "1.1.1.1, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.2", "1.1.1.1, 198.51.100.7, 10.0.0.3", "198.51.100.7"),
        ("10.0.0.2", "nonsense", "10.0.0.2"),
        ("10.0.0.2", "", "10.0.0.2"),
        ("10.0.0.2", "10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.2", "2001:db8::1", "2001:db8::1"),
        ("", "1.1.1.1", None),
    ],
)
def test_only_a_trusted_proxy_says_whence_a_visitor_comes(
    peer: str, forwarded: str, address: str | None, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]

    request = RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)

    assert address_of(request) == address


# --- Sessions -------------------------------------------------------------------------------------


def test_a_session_ends_when_nobody_uses_it(ada: User, time_machine):  # type: ignore[no-untyped-def]
    client, start = Client(), datetime.now(UTC)
    tries(client, PASSWORD)
    for minutes in (100, 200, 300):
        time_machine.move_to(start + timedelta(minutes=minutes))
        assert client.get("/account/sessions/").status_code == 200
    # A page that follows by itself is nobody's doing.
    for minutes in (360, 415):
        time_machine.move_to(start + timedelta(minutes=minutes))
        assert client.get("/account/sessions/", headers={"HX-Request": "true"}).status_code == 200
    time_machine.move_to(start + timedelta(minutes=421))

    assert client.get("/account/sessions/").status_code == 302
    assert not SignIn.objects.exists()


def test_a_session_ends_at_last_however_much_it_is_used(ada: User, time_machine):  # type: ignore[no-untyped-def]
    client, start = Client(), datetime.now(UTC)
    tries(client, PASSWORD)
    for minutes in range(60, 12 * 60, 60):
        time_machine.move_to(start + timedelta(minutes=minutes))
        assert client.get("/account/sessions/").status_code == 200
    time_machine.move_to(start + timedelta(minutes=12 * 60 + 1))

    assert client.get("/account/sessions/").status_code == 302


def test_one_sees_and_ends_ones_sessions(ada: User):
    here, there = Client(), Client()
    tries(here, PASSWORD)
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
    given = {"username": "ada", "password": PASSWORD}
    there.post("/login/", given, REMOTE_ADDR="198.51.100.7", headers={"User-Agent": firefox})
    stranger = SignIn.objects.create(
        user=User.objects.create_user("ben"),
        started_at=datetime.now(UTC),
        seen_at=datetime.now(UTC),
    )

    page = here.get("/account/sessions/")
    assert "Firefox on Linux" in reading.words(page)
    assert "198.51.100.7" in reading.words(page)
    assert "no-store" in page["Cache-Control"]
    assert here.post(f"/account/sessions/{stranger.pk}/end/").status_code == 404
    other = SignIn.objects.get(address="198.51.100.7")
    assert here.post(f"/account/sessions/{other.pk}/end/").status_code == 302

    assert there.get("/account/sessions/").status_code == 302
    assert here.get("/account/sessions/").status_code == 200
    tries(there, PASSWORD)
    here.post("/account/sessions/end/")
    assert there.get("/account/sessions/").status_code == 302
    assert SignIn.objects.filter(user=ada).count() == 1


def test_a_new_password_ends_the_other_sessions(ada: User):
    here, there = Client(), Client()
    tries(here, PASSWORD)
    tries(there, PASSWORD)
    new = {"new_password1": "quite-another-7-words", "new_password2": "quite-another-7-words"}

    wrong = here.post("/account/password/", {"old_password": "wrong", **new})
    assert (wrong.status_code, there.get("/account/sessions/").status_code) == (422, 200)
    here.post("/account/password/", {"old_password": PASSWORD, **new})

    assert here.get("/account/sessions/").status_code == 200
    assert there.get("/account/sessions/").status_code == 302
    assert User.objects.get().check_password("quite-another-7-words")


def test_a_password_given_by_a_command_ends_every_session(ada: User):
    client = Client()
    tries(client, PASSWORD)
    ada.set_password("given by an administrator")
    ada.save()

    assert client.get("/account/sessions/").status_code == 302


def test_a_session_that_is_ended_cannot_be_used_again(ada: User):
    client = Client()
    tries(client, PASSWORD)
    stolen = client.cookies["fleetui_session"].value
    client.post("/logout/")
    thief = Client()
    thief.cookies["fleetui_session"] = stolen

    assert thief.get("/account/sessions/").status_code == 302


def test_a_session_that_was_planted_is_nobodys(ada: User):
    victim = Client()
    victim.get("/login/")
    planted = Client()
    planted.get("/login/provider/")
    session = planted.session
    session["planted"] = True
    session.save()
    victim.cookies["fleetui_session"] = session.session_key
    tries(victim, PASSWORD)

    assert victim.cookies["fleetui_session"].value != session.session_key
    thief = Client()
    thief.cookies["fleetui_session"] = session.session_key
    assert thief.get("/account/sessions/").status_code == 302


def test_no_signed_in_page_is_shared_framed_or_kept_from_the_sign_in(ada: User):
    client = Client()
    assert "no-store" in client.get("/login/")["Cache-Control"]
    tries(client, PASSWORD)

    page = client.get("/clusters/register/")
    for answer in (client.get("/account/sessions/"), page, client.get("/account/mail/")):
        assert "private" in answer["Cache-Control"]
        assert answer["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_cookies_are_for_this_host_and_https_alone():
    asked = (
        "import django; django.setup(); from django.conf import settings as s;"
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE,"
        "s.SESSION_COOKIE_HTTPONLY, s.SESSION_COOKIE_SAMESITE, s.SESSION_COOKIE_DOMAIN,"
        "s.SESSION_COOKIE_PATH, s.SECURE_HSTS_SECONDS)"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "fleetui.settings",
        "SECRET_KEY": "a-long-random-text-that-only-this-test-knows-0123456789-abcdefgh",
        "ALLOWED_HOSTS": "fleet.example.com",
        "DATABASE_URL": "postgres://fleetui@127.0.0.1/fleetui",
        "REDIS_URL": "redis://127.0.0.1/0",
    }

    said = subprocess.run(
        [sys.executable, "-c", asked],
        env=environment,
        cwd=live.BASE_DIR,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert said.stdout.split() == [
        "__Host-fleetui_session", "__Host-fleetui_csrf", "True", "True", "Lax", "None", "/", "31536000",
    ], said.stderr  # fmt: skip
