"""What people decided about deciding: the rules of approval, and whether anything may be written at all."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet


class PolicyRule(models.Model):
    """One rule of the approval policies; `rule` is `domain.policy.Rule` as data."""

    name = models.CharField(max_length=80, unique=True)
    rule = models.JSONField(default=dict)
    updated_at = models.DateTimeField()
    updated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class WantedGroup(models.Model):
    """A group of which somebody has to approve a waiting change next: nobody else's approval helps."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="wanted_groups")
    name = models.CharField(max_length=150)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["change", "name"], name="groups_are_wanted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.name} for change {self.change_id}"


class StopSwitch(models.Model):
    """Whether anything may be written to a fleet's branch: `stopped_at` None means that it may.

    A row of its own, so that nobody who saves a fleet can put back what was read before the stop.
    """

    fleet = models.OneToOneField(Fleet, on_delete=models.CASCADE, related_name="stop_switch")
    stopped_at = models.DateTimeField(null=True, blank=True)
    by = models.CharField(max_length=150, blank=True, default="")
    reason = models.TextField(blank=True, default="", max_length=2000)

    def __str__(self) -> str:
        return f"{self.fleet_id}: {'stopped' if self.stopped_at else 'free'}"
