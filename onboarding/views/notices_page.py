"""Webhooks and e-mail as pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.db.models import Count, Q
from django.urls import reverse

from onboarding.domain.notices import Topic
from onboarding.forms.notices import TOPIC, TopicsForm, WebhookForm
from onboarding.models import Notice, Webhook
from onboarding.views.administration_page import form_sections
from onboarding.views.pages import (
    AdminFormPage,
    AdminListPage,
    AdminRow,
    ConnectionTest,
    Fact,
    FormField,
    Link,
    MailPage,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_TOPICS = tuple(TOPIC + topic.value for topic in Topic)
_SECTIONS = (
    (
        "webhook",
        "Webhook",
        "Where to",
        ("name", "url", "url_file", "format", "fleet", "secret_file", "enabled"),
    ),
    ("topics", "Topics", "What it is told", _TOPICS),
)


def webhooks_page(*, tested: str = "", test: ConnectionTest | None = None) -> AdminListPage:
    """All webhooks; the one named `tested` carries its test's answer."""
    rows = Webhook.objects.select_related("fleet").annotate(
        waiting=Count("notices", filter=Q(notices__state=Notice.State.WAITING)),
        given_up=Count("notices", filter=Q(notices__state=Notice.State.FAILED)),
    )
    return AdminListPage(
        title="Webhooks",
        lede="Addresses that are told what happens to changes. They hear sentences and names, never a secret.",
        noun="webhook",
        rows=tuple(_row(one, test if one.name == tested else None) for one in rows),
        add_url=reverse("webhook-add"),
        add_label="Add a webhook",
        icon="webhook",
        empty_text="Add the address of a chat channel or of a program that shall be told.",
    )


def webhook_form_page(form: WebhookForm, webhook: Webhook | None) -> AdminFormPage:
    """The form of one webhook."""
    return AdminFormPage(
        title=f"Webhook {webhook.name}" if webhook else "Add a webhook",
        lede="The key is named by its file, never entered.",
        action=reverse("webhook-edit", args=[webhook.name]) if webhook else reverse("webhook-add"),
        form=form,
        sections=form_sections(form, _SECTIONS),
        crumbs=(Link("Webhooks", reverse("webhook-list")),),
        cancel_url=reverse("webhook-list"),
    )


def mail_page(form: TopicsForm, user: User, *, has_server: bool) -> MailPage:
    """Of what a person gets e-mail, and why not where none can be sent."""
    problem = ""
    if not has_server:
        problem = "This installation has no mail server: your choice is kept, but nothing is sent."
    elif not user.email:
        problem = "Your account has no e-mail address. Ask an administrator to add it."
    return MailPage(
        address=user.email,
        problem=problem,
        fields=tuple(FormField(bound=form[name], is_switch=True) for name in _TOPICS),
        action=reverse("mail-choice"),
    )


def _row(webhook: Webhook, test: ConnectionTest | None) -> AdminRow:
    state = "Failed" if webhook.problem else "Works" if webhook.sent_at else "Ready"
    last = f"{webhook.sent_at:%Y-%m-%d %H:%M} UTC" if webhook.sent_at else "never"
    topics = ", ".join(topic.words.lower() for topic in Topic if topic in webhook.topics)
    facts = (
        # What follows the host may be as good as a password.
        Fact("Address", webhook.url_file or urlsplit(webhook.url).hostname or ""),
        Fact("Fleet", webhook.fleet.name if webhook.fleet else "all"),
        Fact("Format", webhook.get_format_display()),
        Fact("Signed", "yes" if webhook.secret_file else "no"),
        Fact("Told of", topics or "nothing"),
        Fact("Told last", last),
        Fact("Waiting", str(webhook.waiting)),  # type: ignore[attr-defined]
        Fact("Given up", str(webhook.given_up)),  # type: ignore[attr-defined]
    )
    return AdminRow(
        name=webhook.name,
        facts=facts,
        state=state if webhook.enabled else "Idle",
        reason=webhook.problem if webhook.enabled else "Switched off.",
        edit_url=reverse("webhook-edit", args=[webhook.name]),
        test_url=reverse("webhook-test", args=[webhook.name]),
        remove_url=reverse("webhook-remove", args=[webhook.name]),
        key=webhook.name,
        test=test,
    )
