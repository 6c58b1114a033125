"""How long each stage of an onboarding took: what the usual durations are made of."""

from __future__ import annotations

from django.db import models

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet


class Onboarding(models.Model):
    """One cluster's way from its request to Healthy, in whole seconds for each stage.

    A stage's column is named for `domain.stages.Stage`; NULL is a stage that was not seen to be
    reached. A row is finished once its Applications were all healthy, and never changed after that.
    """

    change = models.OneToOneField(Change, on_delete=models.CASCADE, related_name="onboarding")
    fleet = models.ForeignKey(Fleet, on_delete=models.CASCADE, related_name="onboardings")
    approved = models.PositiveIntegerField(null=True, blank=True)
    committed = models.PositiveIntegerField(null=True, blank=True)
    noticed = models.PositiveIntegerField(null=True, blank=True)
    secret = models.PositiveIntegerField(null=True, blank=True)
    registered = models.PositiveIntegerField(null=True, blank=True)
    matched = models.PositiveIntegerField(null=True, blank=True)
    synced = models.PositiveIntegerField(null=True, blank=True)
    healthy = models.PositiveIntegerField(null=True, blank=True)
    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-begun_at", "-pk"]
        indexes = [models.Index(fields=["fleet", "begun_at"])]

    def __str__(self) -> str:
        return f"Onboarding of change {self.change_id}"
