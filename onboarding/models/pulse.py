"""A number that moves with what is shown of a fleet."""

from __future__ import annotations

from django.db import models

from onboarding.models.fleet import Fleet


class Pulse(models.Model):
    """How often the standings of a fleet have moved: who follows it looks again at another number."""

    fleet = models.OneToOneField(Fleet, on_delete=models.CASCADE, related_name="pulse")
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Pulse of fleet {self.fleet_id}: {self.number}"
