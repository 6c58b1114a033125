"""The whole way to a real identity provider and back: who comes in, with which groups, for how long."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import unescape
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.contrib.auth.models import Group, User
from django.test import Client

from onboarding.domain.lifecycle import Right
from onboarding.models import Event, ExternalIdentity, SignIn
from onboarding.services import auditing, sign_ins
from onboarding.services.rights import rights_of
from tests.journey import reading
from tests.signing_in.conftest import Browser
from tests.signing_in.provider import Provider, go_through

Configure = Callable[..., Any]


def test_a_person_comes_in_with_the_groups_of_the_provider(provider: Provider, visitor: Browser):
    answer = visitor.sign_in("ada", "/changes/?inbox=all")

    assert (answer.status_code, answer["Location"]) == (302, "/changes/?inbox=all")
    ada = User.objects.get(username="ada")
    assert (ada.first_name, ada.email, ada.has_usable_password()) == (
        "Ada",
        "ada@example.com",
        False,
    )
    assert [group.name for group in ada.groups.all()] == ["oidc:platform-team"]
    identity = ExternalIdentity.objects.get()
    assert (identity.issuer, identity.subject, identity.user) == (provider.issuer, "ada", ada)
    page = visitor.here.get("/account/sessions/")
    assert page.status_code == 200
    assert "Ada Example" in page.content.decode()


def test_groups_arrive_and_leave_with_each_sign_in(provider: Provider, visitor: Browser):
    visitor.sign_in("ada")
    provider.person("ada", "platform-admins", "fleet-eu")
    Browser().sign_in("ada")
    assert groups() == {"oidc:platform-admins", "oidc:fleet-eu"}

    provider.person("ada")
    Browser().sign_in("ada")
    assert groups() == set()
    said = [event.message for event in Event.objects.filter(verb="person.regrouped")]
    assert said[1] == (
        "Example ID changed the groups of ada: added oidc:fleet-eu, oidc:platform-admins; "
        "removed oidc:platform-team."
    )
    assert auditing.verify().problem == ""


def test_a_group_of_our_own_is_given_only_where_it_is_mapped(
    provider: Provider, visitor: Browser, configure: Configure
):
    provider.person("ada", "Administrators", "platform-team")
    Group.objects.create(name="oidc:platform-team")  # made here, for whatever reason
    visitor.sign_in("ada")
    assert groups() == {"oidc:Administrators"}
    assert not rights_of(User.objects.get())

    configure(provider.issuer, mirrored=(), mapped={"platform-team": ("Approvers", "No such")})
    Browser().sign_in("ada")
    assert groups() == {"Approvers"}
    assert Right.APPROVE in rights_of(User.objects.get())

    provider.person("ada")
    Browser().sign_in("ada")
    assert groups() == set()


def test_what_was_given_here_the_provider_does_not_take(
    provider: Provider, visitor: Browser, configure: Configure
):
    configure(provider.issuer, mapped={"platform-team": ("Approvers",)})
    visitor.sign_in("ada")
    User.objects.get().groups.add(Group.objects.get(name="Requesters"))
    provider.person("ada")

    Browser().sign_in("ada")

    assert groups() == {"Requesters"}


def test_the_groups_come_from_userinfo_where_the_token_is_thin(
    provider: Provider, visitor: Browser, configure: Configure
):
    provider.tell(thin=True)
    provider.take_new_keys()
    configure(provider.issuer, ask_userinfo=True)
    try:
        visitor.sign_in("ada")
        assert groups() == {"oidc:platform-team"}
        later()
        provider.person("ada", "fleet-eu")
        assert visitor.here.get("/account/sessions/").status_code == 200
        assert groups() == {"oidc:fleet-eu"}
    finally:
        provider.tell(thin=False)
        provider.take_new_keys()


# --- How long a word counts -----------------------------------------------------------------------


def test_a_group_that_was_taken_at_the_provider_is_gone_after_the_renewal(
    provider: Provider, visitor: Browser
):
    visitor.sign_in("ada")
    provider.person("ada", "fleet-eu")
    assert visitor.here.get("/account/sessions/").status_code == 200
    assert groups() == {"oidc:platform-team"}

    for group in ("fleet-eu", "fleet-us"):  # twice: each renewal uses up its refresh token
        provider.person("ada", group)
        later()
        assert visitor.here.get("/account/sessions/").status_code == 200
        assert groups() == {f"oidc:{group}"}


def test_who_was_removed_at_the_provider_is_out_after_the_renewal(
    provider: Provider, visitor: Browser
):
    visitor.sign_in("ada")
    provider.remove("ada")
    later()

    answer = visitor.here.post("/account/mail/", {})

    assert answer.status_code == 200
    assert "You were signed out" in reading.words(answer)
    assert not SignIn.objects.exists()
    assert visitor.here.get("/account/sessions/").status_code == 302


def test_a_provider_that_is_away_is_trusted_for_as_long_again_and_no_longer(
    provider: Provider, visitor: Browser
):
    visitor.sign_in("ada")
    provider.stop()
    later()
    assert visitor.here.get("/account/sessions/").status_code == 200
    SignIn.objects.update(renewing_until=None)
    later(minutes=19)
    assert visitor.here.get("/account/sessions/").status_code == 200

    SignIn.objects.update(renewing_until=None)
    later(minutes=20)
    answer = visitor.here.get("/account/sessions/", follow=True)
    assert answer.request["PATH_INFO"] == "/login/"
    provider.start()


def test_only_one_process_uses_up_a_refresh_token(provider: Provider, visitor: Browser):
    visitor.sign_in("ada")
    later()
    SignIn.objects.update(renewing_until=datetime.now(UTC) + timedelta(seconds=30))
    provider.remove("ada")

    assert visitor.here.get("/account/sessions/").status_code == 200  # another one asks just now

    SignIn.objects.update(renewing_until=datetime.now(UTC) - timedelta(seconds=1))
    assert visitor.here.get("/account/sessions/").status_code == 302


def test_without_refresh_tokens_the_browser_is_sent_and_comes_back(
    provider: Provider, visitor: Browser
):
    provider.tell(refresh=False)
    visitor.sign_in("ada")
    before = SignIn.objects.get()
    later()
    provider.person("ada", "fleet-eu")
    # What refreshes itself, and what is sent, goes on meanwhile.
    assert visitor.here.get("/account/sessions/", headers={"HX-Request": "true"}).status_code == 200

    asked = visitor.here.get("/changes/?inbox=all")
    assert asked["Location"].startswith("/login/provider/?next=%2Fchanges%2F%3Finbox%3Dall")
    there = visitor.here.get(asked["Location"])["Location"]
    assert "prompt=none" in there
    back = visitor.come_back(go_through(visitor.there, there, "nobody is asked"))

    assert back["Location"] == "/changes/?inbox=all"
    assert visitor.here.get("/account/sessions/").status_code == 200
    assert groups() == {"oidc:fleet-eu"}
    after = SignIn.objects.get()
    assert (after.pk, after.started_at) == (before.pk, before.started_at)


def test_who_signed_out_at_the_provider_meanwhile_is_out_here(provider: Provider, visitor: Browser):
    provider.tell(refresh=False)
    visitor.sign_in("ada")
    visitor.there.cookies.clear()
    later()

    there = visitor.here.get(visitor.here.get("/account/sessions/")["Location"])["Location"]
    answer = visitor.come_back(go_through(visitor.there, there, "nobody is asked"))

    assert (answer.status_code, "wants to see you again" in reading.words(answer)) == (403, True)
    assert not SignIn.objects.exists()
    assert visitor.here.get("/account/sessions/").status_code == 302


def test_what_the_provider_gave_is_not_kept_in_the_clear(provider: Provider, visitor: Browser):
    visitor.sign_in("ada")

    row = SignIn.objects.get()
    id_token = sign_ins.id_token_of(row)
    assert id_token.count(".") == 2
    assert id_token not in row.tokens
    assert "eyJ" not in str(dict(visitor.here.session))


# --- The protocol ---------------------------------------------------------------------------------


def test_the_provider_may_change_its_keys(provider: Provider, visitor: Browser):
    visitor.sign_in("ada")
    provider.take_new_keys()

    answer = Browser().sign_in("ada")

    assert (answer.status_code, answer["Location"]) == (302, "/")


def test_it_asks_by_code_with_a_challenge_and_a_nonce(provider: Provider, visitor: Browser):
    asked = parse_qs(urlsplit(visitor.begin()).query)

    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["code_challenge"][0]) == 43
    assert len(asked["nonce"][0]) >= 40
    assert len(asked["state"][0]) >= 40
    again = parse_qs(urlsplit(visitor.begin()).query)
    assert not {"state", "nonce", "code_challenge"} & {
        name for name, value in asked.items() if again[name] == value
    }


def test_the_provider_insists_on_the_challenge(provider: Provider, visitor: Browser):
    parts = urlsplit(visitor.begin())
    bare = {k: v for k, v in parse_qs(parts.query).items() if not k.startswith("code_challenge")}
    without = parts._replace(query=urlencode(bare, doseq=True)).geturl()

    answer = visitor.come_back(go_through(visitor.there, without, "ada"))

    assert answer.status_code == 502
    assert not User.objects.exists()


def test_a_stolen_code_is_worth_nothing_in_another_browser(provider: Provider, visitor: Browser):
    stolen = parse_qs(urlsplit(go_through(visitor.there, visitor.begin(), "ada")).query)
    thief = Browser()
    state = parse_qs(urlsplit(thief.begin()).query)["state"][0]

    answer = thief.here.get("/login/callback/", {"code": stolen["code"][0], "state": state})

    assert answer.status_code == 400
    assert "used already, or took too long" in reading.words(answer)
    assert not User.objects.exists()


def test_it_goes_on_to_no_other_host(provider: Provider, visitor: Browser):
    for elsewhere in ("https://evil.example.com/", "//evil.example.com", "javascript:alert(1)"):
        answer = Browser().sign_in("ada", elsewhere)
        assert answer["Location"] == "/"


def test_the_session_has_another_name_after_signing_in(provider: Provider, visitor: Browser):
    url = go_through(visitor.there, visitor.begin(), "ada")
    before = visitor.here.cookies["fleetui_session"].value
    visitor.come_back(url)

    assert visitor.here.cookies["fleetui_session"].value != before
    fixed = Client()
    fixed.cookies["fleetui_session"] = before
    assert fixed.get("/account/sessions/").status_code == 302


def test_a_provider_that_is_away_is_said_and_nothing_typed_is_lost(
    provider: Provider, visitor: Browser
):
    provider.stop()
    typed = '{"cluster": "spoke-late"}'

    answer = visitor.here.post("/login/provider/", {"next": "/lint/", "kept": typed})

    assert answer.status_code == 503
    assert "Example ID does not answer" in reading.words(answer)
    assert reading.form(answer, "/login/provider/")["kept"] == typed
    assert reading.form(answer, "/login/")["next"] == "/lint/"


# --- Leaving --------------------------------------------------------------------------------------


def test_signing_out_here_signs_out_there(provider: Provider, visitor: Browser):
    visitor.sign_in("ada")

    answer = visitor.here.post("/logout/")

    assert not SignIn.objects.exists()
    assert visitor.here.get("/account/sessions/").status_code == 302
    there = unescape(re.findall(r'content="0;url=([^"]+)"', reading.html(answer))[0])
    assert there.startswith(f"{provider.issuer}/session/end?")
    page = visitor.there.get(there)
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text))
    url = re.findall(r'action="([^"]+)"', page.text)[0]
    left = visitor.there.post(url, {**fields, "logout": "yes"}, allow_redirects=False)
    assert left.headers["Location"].startswith("http://testserver/login/")
    # Who comes again is asked who they are.
    assert "Sign-in" in visitor.there.get(visitor.begin()).text


def test_who_signs_out_at_the_provider_is_signed_out_here(provider: Provider, visitor: Browser):
    with told() as heard:
        provider.listen_at(f"http://127.0.0.1:{heard.port}/ended")
        visitor.sign_in("ada")
        other = Browser()
        other.sign_in("ada")  # at the provider another session
        page = visitor.there.get(f"{provider.issuer}/session/end")
        fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.text))
        url = re.findall(r'action="([^"]+)"', page.text)[0]
        visitor.there.post(url, {**fields, "logout": "yes"}, allow_redirects=False)
        token = heard.token()

    answer = Client(enforce_csrf_checks=True).post("/login/ended/", {"logout_token": token})

    assert answer.status_code == 200, answer.content
    assert visitor.here.get("/account/sessions/").status_code == 302
    assert other.here.get("/account/sessions/").status_code == 200


# --- Without local accounts -----------------------------------------------------------------------


def test_without_local_accounts_there_is_no_password(
    provider: Provider, visitor: Browser, settings
):  # type: ignore[no-untyped-def]
    User.objects.create_user("local", password="a password of theirs")
    local = Client()
    local.login(username="local", password="a password of theirs")
    assert local.get("/account/sessions/").status_code == 200
    settings.LOCAL_ACCOUNTS = False
    settings.AUTHENTICATION_BACKENDS = settings.AUTHENTICATION_BACKENDS[1:]

    assert local.get("/account/sessions/").status_code == 302
    page = Client().get("/login/")
    assert "password" not in reading.html(page).lower()
    assert "Sign in with Example ID" in reading.words(page)
    tried = Client().post("/login/", {"username": "local", "password": "a password of theirs"})
    assert tried.status_code == 403
    visitor.sign_in("ada")
    assert visitor.here.get("/account/sessions/").status_code == 200


def groups() -> set[str]:
    """The groups of the one person who came in."""
    return set(User.objects.get().groups.values_list("name", flat=True))


def later(minutes: int = 11) -> None:
    """Let the provider's word be so old."""
    SignIn.objects.update(confirmed_at=datetime.now(UTC) - timedelta(minutes=minutes))


class Heard:
    """What the provider says by itself, to an address of ours."""

    def __init__(self) -> None:
        self._said = threading.Event()
        self._body = ""
        heard = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard._body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.send_response(200)
                self.end_headers()
                heard._said.set()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def token(self) -> str:
        """The logout token that came."""
        assert self._said.wait(20), "the provider said nothing"
        return parse_qs(self._body)["logout_token"][0]


@contextmanager
def told() -> Iterator[Heard]:
    """Listen to the provider for a while."""
    heard = Heard()
    thread = threading.Thread(target=heard.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield heard
    finally:
        heard.server.shutdown()
        heard.server.server_close()
        thread.join()
