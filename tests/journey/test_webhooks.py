"""Webhooks under Administration, and of what a person gets e-mail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User

from onboarding import tasks, wiring
from onboarding.domain.errors import Transient
from onboarding.models import Event, MailChoice, Notice, Webhook
from onboarding.services import events
from tests.journey.conftest import Place

URL = "https://chat.example.com/services/T0/B0/abcdef"
FORM = {
    "name": "chat",
    "url": URL,
    "format": "slack",
    "enabled": "on",
    "topic_submitted": "on",
    "topic_failed": "on",
}


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


class Sender:
    """Takes calls, or fails."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.failing: Exception | None = None

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> None:
        if self.failing:
            raise self.failing
        self.urls.append(url)


@pytest.fixture
def sender(monkeypatch: pytest.MonkeyPatch) -> Sender:
    found = Sender()
    monkeypatch.setattr(wiring, "webhook_sender", lambda: found)
    return found


def text(place: Place, path: str, who: str = "administrator") -> str:
    return place.get(who, path).content.decode()


def test_an_administrator_adds_tests_changes_and_removes_one(place: Place, sender: Sender) -> None:
    assert "No webhook yet" in text(place, "/admin/webhooks/")
    assert place.post("administrator", "/admin/webhooks/add/", FORM).status_code == 302
    page = text(place, "/admin/webhooks/")
    assert "chat.example.com" in page
    assert "abcdef" not in page
    assert "a change asks for approval" in page

    tested = place.post("administrator", "/admin/webhooks/chat/test/", {})
    assert "It took the test." in tested.content.decode()
    assert sender.urls == [URL]
    sender.failing = Transient("chat.example.com did not answer in time, or not at all.")
    tested = place.post("administrator", "/admin/webhooks/chat/test/", {})
    assert "did not answer in time" in tested.content.decode()

    form = text(place, "/admin/webhooks/chat/")
    assert f'value="{URL}"' in form
    changed = {**FORM, "topic_failed": "", "topic_approved": "on"}
    place.post("administrator", "/admin/webhooks/chat/", changed)
    assert Webhook.objects.get().topics == ["submitted", "approved"]
    place.post("administrator", "/admin/webhooks/chat/remove/", {})
    assert not Webhook.objects.exists()
    verbs = Event.objects.filter(verb__startswith="webhook.").values_list("verb", flat=True)
    assert list(verbs) == ["webhook.configured", "webhook.configured", "webhook.removed"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://chat.example.com/"}, "Use https"),
        ({"url": "https://"}, "Enter a full address"),
        ({"url": "https://a:b@chat.example.com/"}, "Leave user name and password out"),
        ({"url": "https://chat.example.com:99999/"}, "Enter a full address"),
        ({"url": "https://chat.example.com/#x"}, "Enter a full address"),
        ({"url": ""}, "Enter the address or the file that holds it, and not both"),
        ({"url_file": "/run/secrets/address"}, "Enter the address or the file"),
        ({"url": "", "url_file": "address"}, "Enter the whole path"),
        ({"secret_file": "../key"}, "Enter the whole path"),
        ({"name": "no name"}, "valid"),
        ({"name": "taken"}, "There is a webhook of this name already"),
        ({"topic_submitted": "", "topic_failed": ""}, "Choose at least one thing"),
        ({"format": "xml"}, "valid choice"),
    ],
)
def test_bad_input_is_said_and_kept(place: Place, changes: dict[str, str], said: str) -> None:
    Webhook.objects.create(name="taken", url=URL)
    answer = place.post("administrator", "/admin/webhooks/add/", {**FORM, **changes})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert said in page
    assert 'name="secret_file"' in page
    assert Webhook.objects.count() == 1


def test_workers_tell_it_and_its_row_says_how_that_went(
    place: Place, sender: Sender, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    place.post("administrator", "/admin/webhooks/add/", FORM)
    place.post("requester", "/clusters/register/", place.form("spoke-b"))
    sender.failing = Transient("chat.example.com answered 503.")
    tasks.send_notices()
    page = text(place, "/admin/webhooks/")
    assert "chat.example.com answered 503." in page
    Notice.objects.update(due_at=wiring.clock().now())
    sender.failing = None
    tasks.send_notices()
    tasks.send_notices()
    assert sender.urls == [URL]
    for number in range(20):
        Webhook.objects.create(name=f"hook-{number}", url=URL)
    with django_assert_max_num_queries(12):
        page = text(place, "/admin/webhooks/")
    assert "answered 503" not in page


def test_an_address_that_is_a_secret_is_read_from_its_file(
    place: Place, sender: Sender, tmp_path: Any
) -> None:
    file = tmp_path / "address"
    file.write_text(f"{URL}\n")
    form = {**FORM, "url": "", "url_file": str(file)}
    place.post("administrator", "/admin/webhooks/add/", form)
    place.post("administrator", "/admin/webhooks/chat/test/", {})
    assert sender.urls == [URL]
    file.unlink()
    tested = place.post("administrator", "/admin/webhooks/chat/test/", {})
    assert "cannot be read from its file" in tested.content.decode()


def test_people_choose_of_what_they_get_mail(
    place: Place, settings: Any, mailoutbox: list[Any]
) -> None:
    assert "has no mail server" in text(place, "/account/mail/", "approver")
    settings.EMAIL_HOST = "mail.example.com"
    page = text(place, "/account/mail/", "approver")
    assert "approver@example.com" in page
    assert "has no mail server" not in page
    place.post("approver", "/account/mail/", {"topic_submitted": "on"})
    assert "checked" in text(place, "/account/mail/", "approver")
    place.post("requester", "/clusters/register/", place.form("spoke-b"))
    tasks.send_notices()
    (mail,) = mailoutbox
    assert (mail.to, mail.subject[:9]) == (["approver@example.com"], "[spoke-b]")
    assert mail.extra_headers["Auto-Submitted"] == "auto-generated"
    place.post("approver", "/account/mail/", {})
    assert MailChoice.objects.get().topics == []


def test_a_subject_stays_one_line(place: Place, settings: Any, mailoutbox: list[Any]) -> None:
    """What a person wrote into an event's sentence becomes no header of a mail."""
    settings.EMAIL_HOST = "mail.example.com"
    place.post("requester", "/account/mail/", {"topic_rejected": "on"})
    place.post("requester", "/clusters/register/", place.form("spoke-b"))
    change = Event.objects.get(verb="change.submitted").change
    events.record(
        verb="change.rejected",
        message="No.\nBcc: eve@example.com\r\n\r\nx",
        at=wiring.clock().now(),
        actor=User.objects.get(username="approver"),
        change=change,
    )
    tasks.send_notices()
    (mail,) = mailoutbox
    assert mail.recipients() == ["requester@example.com"]
    assert "No. Bcc: eve@example.com x" in mail.body
