"""Notices: who is told of what, once, signed, tried again, and given up where anybody can see it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User

from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.notices import MOST_TRIES, Topic
from onboarding.models import Event, MailChoice, Notice, NoticeMark, Webhook
from onboarding.services import approvals, events, notices
from onboarding.services.notices import Way
from tests.fakes import START, FakeClock
from tests.stage import Stage

URL = "https://chat.example.com/hook"


class Posts:
    """Takes calls and mails, or refuses them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.mails: list[tuple[str, str, str]] = []
        self.failing: FleetError | None = None

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> None:
        if self.failing:
            raise self.failing
        self.calls.append((url, body, headers))

    def send(self, *, to: str, subject: str, text: str) -> None:
        if self.failing:
            raise self.failing
        self.mails.append((to, subject, text))


@pytest.fixture
def posts() -> Posts:
    return Posts()


def hook(name: str = "chat", **more: Any) -> Webhook:
    values = {"url": URL, "topics": [topic.value for topic in Topic]} | more
    return Webhook.objects.create(name=name, **values)


def tell(posts: Posts, clock: FakeClock, *, key: str = "") -> int:
    notices.gather(clock=clock)
    return notices.send_due(
        clock=clock,
        sender=posts,
        mailer=posts,
        way_to=lambda one: Way(one.url, key),
        page_of=lambda pk: f"https://fleet.example.com/changes/{pk}/",
    )


def test_a_webhook_is_told_what_happens_to_a_change(stage: Stage, posts: Posts) -> None:
    hook()
    change = stage.approved("spoke-a")
    stage.deliver()
    assert tell(posts, stage.clock) == 3
    told = [json.loads(body) for _, body, _ in posts.calls]
    assert [one["topic"] for one in told] == ["submitted", "approved", "delivered"]
    assert {url for url, _, _ in posts.calls} == {URL}
    assert told[0]["change"] == {
        "number": change.pk,
        "kind": "register",
        "hub": "hub-a",
        "cluster": "spoke-a",
        "tenant": "team-a",
        "environment": "dev",
        "url": f"https://fleet.example.com/changes/{change.pk}/",
    }
    assert tell(posts, stage.clock) == 0
    assert len(posts.calls) == 3


def test_it_tells_only_what_was_chosen_of_the_fleets_that_were_chosen(
    stage: Stage, posts: Posts
) -> None:
    other = stage.fleet.__class__.objects.create(name="zoo", repository_url="https://x.example/z")
    hook("approvals", topics=["approved"])
    hook("elsewhere", fleet=other)
    hook("off", enabled=False)
    stage.approved("spoke-a")
    assert tell(posts, stage.clock) == 1
    assert json.loads(posts.calls[0][1])["topic"] == "approved"


def test_a_call_is_signed_with_the_key(stage: Stage, posts: Posts) -> None:
    hook(secret_file="/run/secrets/hook")
    stage.submitted("spoke-a")
    tell(posts, stage.clock, key="s3cret")
    _, body, headers = posts.calls[0]
    signed = headers["X-Fleet-Timestamp"].encode() + b"." + body
    wanted = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["X-Fleet-Signature-256"] == f"sha256={wanted}"
    assert headers["X-Fleet-Delivery"] == str(Notice.objects.get().pk)


def test_nothing_goes_unsigned_where_the_key_cannot_be_read(stage: Stage, posts: Posts) -> None:
    hook(secret_file="/run/secrets/gone")
    stage.submitted("spoke-a")
    assert tell(posts, stage.clock, key="") == 0
    assert posts.calls == []
    assert "cannot be read" in Webhook.objects.get().problem


def test_slack_sees_no_markup_of_others(stage: Stage, posts: Posts) -> None:
    hook(format="slack")
    events.record(
        verb="change.rejected", message="<!channel> & <https://evil.example|here>", at=START
    )
    tell(posts, stage.clock)
    text = json.loads(posts.calls[0][1])["text"]
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;" in text
    assert "<" not in text


def test_it_is_tried_again_ever_more_rarely_and_then_given_up(stage: Stage, posts: Posts) -> None:
    hook()
    stage.submitted("spoke-a")
    posts.failing = Transient("chat.example.com did not answer.")
    waits = []
    for _ in range(MOST_TRIES):
        tell(posts, stage.clock)
        notice = Notice.objects.get()
        waits.append((notice.due_at - stage.clock.now()).total_seconds())
        assert tell(posts, stage.clock) == 0
        stage.clock.advance(max(waits[-1], 0))
    assert waits == [30, 60, 120, 240, 480, 960, 1920, 0]
    assert (notice.state, notice.tries) == ("failed", MOST_TRIES)
    assert "did not answer" in Webhook.objects.get().problem
    posts.failing = None
    stage.clock.advance(10_000)
    assert tell(posts, stage.clock) == 0


def test_what_never_will_be_taken_is_given_up_at_once(stage: Stage, posts: Posts) -> None:
    hook()
    stage.submitted("spoke-a")
    posts.failing = Refused("chat.example.com answered 404.")
    tell(posts, stage.clock)
    assert Notice.objects.get().state == "failed"


def test_a_worker_that_dies_while_it_sends_is_followed_by_another(
    stage: Stage, posts: Posts
) -> None:
    hook()
    stage.submitted("spoke-a")
    posts.failing = RuntimeError("killed")  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        tell(posts, stage.clock)
    posts.failing = None
    assert tell(posts, stage.clock) == 0
    stage.clock.advance(121)
    assert tell(posts, stage.clock) == 1


def test_nobody_gets_mail_who_has_not_asked_for_it(stage: Stage, posts: Posts) -> None:
    stage.approved("spoke-a")
    assert tell(posts, stage.clock) == 0


def test_people_get_mail_of_what_concerns_them(stage: Stage, posts: Posts) -> None:
    other = stage.person("olga", "requester")
    gone = stage.person("gwen", "approver")
    for person in (stage.requester, stage.approver, other, gone):
        notices.choose_mail(user=person, topics=list(Topic))
    User.objects.filter(pk=gone.pk).update(is_active=False)
    stage.approved("spoke-a")
    stage.deliver()
    tell(posts, stage.clock)
    assert [(to, subject) for to, subject, _ in posts.mails] == [
        ("arno@example.com", "[spoke-a] A change asks for approval (#1)".replace("#1", _number())),
        ("rita@example.com", "[spoke-a] A change was approved (#1)".replace("#1", _number())),
        ("rita@example.com", "[spoke-a] A change is in Git (#1)".replace("#1", _number())),
    ]
    assert "https://fleet.example.com/changes/" in posts.mails[0][2]


def _number() -> str:
    change = Event.objects.filter(verb="change.submitted").get().change_id
    return f"#{change}"


def test_a_right_that_was_lost_is_lost_for_mail_too(stage: Stage, posts: Posts) -> None:
    notices.choose_mail(user=stage.approver, topics=[Topic.SUBMITTED])
    stage.approver.grants.filter(role="approver").update(role="viewer")
    stage.submitted("spoke-a")
    assert tell(posts, stage.clock) == 0


def test_a_choice_can_be_taken_back(stage: Stage) -> None:
    notices.choose_mail(user=stage.requester, topics=[Topic.FAILED, Topic.APPROVED])
    assert MailChoice.objects.get().topics == ["approved", "failed"]
    notices.choose_mail(user=stage.requester, topics=[])
    assert MailChoice.objects.get().topics == []


def test_what_happened_before_is_told_to_nobody(db: None, posts: Posts) -> None:
    """The migration sets the mark; events up to it are over."""
    first = events.record(verb="change.approved", message="Old.", at=START)
    NoticeMark.objects.update_or_create(pk=1, defaults={"event": first.pk})
    hook()
    events.record(verb="change.approved", message="New.", at=START)
    assert tell(posts, FakeClock()) == 1
    assert json.loads(posts.calls[0][1])["message"] == "New."


def test_only_an_administrator_configures_webhooks(stage: Stage) -> None:
    values = {"name": "chat", "url": URL, "topics": ["approved"]}
    with pytest.raises(Refused, match="administrator"):
        notices.save_webhook(values=values, actor=stage.requester, clock=stage.clock)
    admin = stage.person("adam", "administrator")
    saved = notices.save_webhook(values=values, actor=admin, clock=stage.clock)
    event = Event.objects.get(verb="webhook.configured")
    # What follows the host may be as good as a password.
    assert "hook" not in json.dumps(event.detail)
    with pytest.raises(Refused, match="administrator"):
        notices.remove_webhook(webhook=saved, actor=stage.approver, clock=stage.clock)
    notices.remove_webhook(webhook=saved, actor=admin, clock=stage.clock)
    assert not Webhook.objects.exists()


def test_a_decision_never_waits_for_a_notice(stage: Stage, posts: Posts) -> None:
    hook()
    change = stage.submitted("spoke-a")
    posts.failing = Transient("Away.")
    tell(posts, stage.clock)
    approvals.approve(
        change_id=change.pk,
        digest=change.plan_digest,
        actor=stage.approver,
        clock=stage.clock,
        queue=stage.queue,
    )
    assert stage.deliver().committed == (change.pk,)
