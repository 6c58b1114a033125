"""Webhooks, by administrators; and of what each person gets e-mail."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from onboarding import wiring
from onboarding.domain.lifecycle import Right
from onboarding.forms.notices import TopicsForm, WebhookForm
from onboarding.models import MailChoice, Webhook
from onboarding.services import configuration, notices
from onboarding.views import access
from onboarding.views.administration_page import connection_test
from onboarding.views.notices_page import mail_page, webhook_form_page, webhooks_page

LIST = "onboarding/admin/list.html"
FORM = "onboarding/admin/form.html"


@require_GET
def webhook_list(request: HttpRequest) -> HttpResponse:
    """The webhooks, each with when it was told last, or what that ran into."""
    access.user_with(request, Right.ADMINISTER)
    return render(request, LIST, {"page": webhooks_page()})


@require_http_methods(["GET", "POST"])
def webhook_form(request: HttpRequest, name: str = "") -> HttpResponse:
    """Add a webhook, or change one."""
    user = access.user_with(request, Right.ADMINISTER)
    webhook = get_object_or_404(Webhook, name=name) if name else None
    form = WebhookForm(request.POST or None, webhook=webhook)
    if request.method == "POST" and form.is_valid():
        saved = notices.save_webhook(
            values=form.values, actor=user, clock=wiring.clock(), webhook=webhook
        )
        messages.success(request, f"Webhook {saved.name} is saved. Send it a test now.")
        return redirect("webhook-list")
    status = 422 if request.method == "POST" else 200
    return render(request, FORM, {"page": webhook_form_page(form, webhook)}, status=status)


@require_POST
def webhook_test(request: HttpRequest, name: str) -> HttpResponse:
    """Send a webhook one test."""
    user = access.user_with(request, Right.ADMINISTER)
    webhook = get_object_or_404(Webhook, name=name)
    results = configuration.run_checks(
        actor=user,
        checks={
            "Webhook": lambda: notices.send_test(
                webhook=webhook,
                sender=wiring.webhook_sender(),
                way=wiring.way_to_webhook(webhook),
                clock=wiring.clock(),
            )
        },
    )
    test = connection_test(results, wiring.clock().now())
    return render(request, LIST, {"page": webhooks_page(tested=name, test=test)})


@require_POST
def webhook_remove(request: HttpRequest, name: str) -> HttpResponse:
    """Remove a webhook."""
    user = access.user_with(request, Right.ADMINISTER)
    webhook = get_object_or_404(Webhook, name=name)
    notices.remove_webhook(webhook=webhook, actor=user, clock=wiring.clock())
    messages.success(request, f"Webhook {name} is removed.")
    return redirect("webhook-list")


@require_http_methods(["GET", "POST"])
def mail_choice(request: HttpRequest) -> HttpResponse:
    """Of what this person gets e-mail."""
    user = access.user_with(request, Right.VIEW)
    chosen = MailChoice.objects.filter(user=user).first()
    form = TopicsForm(
        request.POST or None, chosen=dict.fromkeys(chosen.topics if chosen else (), True)
    )
    # Nothing switched on is an answer too, and an empty form.
    if request.method == "POST":
        form = TopicsForm(request.POST)
        if form.is_valid():
            notices.choose_mail(user=user, topics=form.topics)
            messages.success(request, "Kept.")
            return redirect("mail-choice")
    page = mail_page(form, user, has_server=bool(settings.EMAIL_HOST))
    return render(request, "onboarding/mail_choice.html", {"page": page})
