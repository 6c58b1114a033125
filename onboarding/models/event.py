"""Who did or saw what: append-only, each row chained to the one before it."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.db import models

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet


class Event(models.Model):
    """One thing that happened. Never updated, never deleted; `digest` covers `previous` and the content."""

    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", null=True, blank=True
    )
    verb = models.CharField(max_length=60)
    message = models.TextField(blank=True, default="")
    fleet = models.ForeignKey(
        Fleet, on_delete=models.PROTECT, related_name="events", null=True, blank=True
    )
    change = models.ForeignKey(
        Change, on_delete=models.PROTECT, related_name="events", null=True, blank=True
    )
    cluster_name = models.CharField(max_length=63, blank=True, default="")
    detail = models.JSONField(default=dict, blank=True)
    previous = models.CharField(max_length=64, blank=True, default="")
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["change", "id"]),
            models.Index(fields=["cluster_name", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.verb}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Write a new event; refuse to rewrite an old one."""
        if not self._state.adding:
            raise TypeError("An event is never changed after it was written.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the audit trail only grows."""
        raise TypeError("An event is never deleted.")


class EventHead(models.Model):
    """The end of the chain; locked while an event is appended, so that two never share a predecessor."""

    digest = models.CharField(max_length=64, blank=True, default="")
    count = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.count} events"
