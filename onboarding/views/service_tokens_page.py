"""The tokens of programs as the administration shows them."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse

from onboarding.domain.tokens import Verb
from onboarding.forms.tokens import FLEET, VERB, TokenForm
from onboarding.models import Fleet, ServiceToken
from onboarding.services.service_tokens import Issued
from onboarding.views.administration_page import form_sections
from onboarding.views.pages import (
    AdminFormPage,
    AdminListPage,
    AdminRow,
    Fact,
    Link,
    TokenPage,
)

_SECTIONS = (
    ("service", "Service", "Whose it is", ("name", "days")),
    ("verbs", "What it may do", "It never decides on a change", tuple(VERB + v for v in Verb)),
)


def tokens_page(*, now: datetime) -> AdminListPage:
    """All tokens, the newest first; those that count no more say so."""
    rows = ServiceToken.objects.select_related("account__user", "created_by")
    return AdminListPage(
        title="Service tokens",
        lede="What programs prove themselves with to the API. They ask for changes and never decide on one.",
        noun="token",
        rows=tuple(_row(token, now) for token in rows.prefetch_related("fleets")),
        add_url=reverse("token-add") if Fleet.objects.exists() else "",
        add_label="Make a token",
        icon="key-round",
        empty_text="Make one for Terraform or a pipeline. Its text is shown once.",
    )


def token_form_page(form: TokenForm) -> AdminFormPage:
    """The form of a new token."""
    fleets = tuple(name for name in form.fields if name.startswith(FLEET))
    sections = (*_SECTIONS, ("fleets", "Fleets", "Others do not exist for it", fleets))
    return AdminFormPage(
        title="Make a token",
        lede="Its text is shown once, after this. Only its digest is kept.",
        action=reverse("token-add"),
        form=form,
        sections=form_sections(form, sections),
        crumbs=(Link("Service tokens", reverse("token-list")),),
        submit_label="Make it",
        cancel_url=reverse("token-list"),
    )


def issued_page(issued: Issued) -> TokenPage:
    """The one page that has the text of a token."""
    return TokenPage(
        title=f"Token of {issued.token.account}",
        text=issued.text,
        facts=_facts(issued.token),
        crumbs=(Link("Service tokens", reverse("token-list")),),
        list_url=reverse("token-list"),
        docs_url=reverse("api-docs"),
    )


def _row(token: ServiceToken, now: datetime) -> AdminRow:
    used = f"{token.last_used_at:%Y-%m-%d %H:%M} UTC" if token.last_used_at else "never"
    state, reason = "Ready", ""
    if token.revoked_at:
        state, reason = "Revoked", f"Revoked on {token.revoked_at:%Y-%m-%d %H:%M} UTC."
    elif token.expires_at <= now:
        state, reason = "Expired", f"Expired on {token.expires_at:%Y-%m-%d %H:%M} UTC."
    return AdminRow(
        name=f"{token.account} · {token.prefix}",
        facts=(*_facts(token), Fact("Last used", used)),
        state=state,
        reason=reason,
        revoke_url="" if reason else reverse("token-revoke", args=[token.prefix]),
        key=token.prefix,
    )


def _facts(token: ServiceToken) -> tuple[Fact, ...]:
    maker = token.created_by.get_username() if token.created_by else "a command"
    return (
        Fact("Service", str(token.account)),
        Fact("May", "; ".join(verb.words for verb in Verb if verb.value in token.verbs)),
        Fact("Fleets", ", ".join(fleet.name for fleet in token.fleets.all())),
        Fact("Made", f"{token.created_at:%Y-%m-%d} by {maker}"),
        Fact("Expires", f"{token.expires_at:%Y-%m-%d %H:%M} UTC"),
    )
