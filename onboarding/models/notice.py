"""Who wants to be told of what, and what is to be told: the rows are the queue."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from onboarding.domain.notices import Format
from onboarding.models.event import Event
from onboarding.models.fleet import Fleet


class Webhook(models.Model):
    """An address that is told of what happens. `topics` are `domain.notices.Topic` values.

    `fleet` None is every fleet. The address is `url`, or is in `url_file` where it is a secret itself, as
    that of a chat's channel; one of both is "". `secret_file` is the file of the key that its calls are signed with.
    `problem` is what the last call ran into, "" where it was taken.
    """

    name = models.SlugField(max_length=63, unique=True)
    fleet = models.ForeignKey(
        Fleet, on_delete=models.CASCADE, related_name="webhooks", null=True, blank=True
    )
    url = models.CharField(max_length=500, blank=True, default="")
    url_file = models.CharField(max_length=500, blank=True, default="")
    format = models.CharField(
        max_length=10,
        choices=[(one.value, one.value) for one in Format],
        default=Format.JSON.value,
    )
    secret_file = models.CharField(max_length=500, blank=True, default="")
    topics = models.JSONField(default=list, blank=True)
    enabled = models.BooleanField(default=True)
    problem = models.TextField(blank=True, default="")
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                name="webhook_has_one_address", condition=Q(url="") ^ Q(url_file="")
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MailChoice(models.Model):
    """Of which topics a person wants e-mail; nobody gets any who has not chosen."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_choice"
    )
    topics = models.JSONField(default=list, blank=True)

    def __str__(self) -> str:
        return f"{self.user}: {', '.join(self.topics) or 'no e-mail'}"


class Notice(models.Model):
    """One event to be told to one webhook or one person, once, as soon as it can be."""

    class State(models.TextChoices):
        """What became of it."""

        WAITING = "waiting", "Waiting"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    event = models.ForeignKey(Event, on_delete=models.PROTECT, related_name="notices")
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, related_name="notices", null=True, blank=True
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="notices",
        null=True,
        blank=True,
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="notice_has_one_receiver",
                condition=Q(webhook__isnull=True) ^ Q(user__isnull=True),
            ),
            models.UniqueConstraint(fields=["event", "webhook"], name="one_notice_per_webhook"),
            models.UniqueConstraint(fields=["event", "user"], name="one_notice_per_person"),
        ]
        indexes = [
            models.Index(fields=["due_at"], name="notices_that_wait", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"Notice of event {self.event_id}: {self.state}"


class NoticeMark(models.Model):
    """Up to which event of the trail notices were made; locked while some are."""

    event = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Notices up to event {self.event}"
