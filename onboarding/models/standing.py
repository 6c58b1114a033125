"""How each cluster stands: decision, delivery and observation composed into one row for the lists."""

from __future__ import annotations

from django.db import models

from onboarding.models.change import Change
from onboarding.models.cluster import Cluster
from onboarding.models.fleet import Fleet


class Standing(models.Model):
    """One line of the clusters page: a cluster of Git, or one that is still only asked for.

    Derived, never decided on: it is recomputed from the rows that hold the facts, and whoever reads it
    looks at `computed_at` first (an old row is stale, whatever it says). Counts are of Applications.
    `cause` is equal for clusters of which the same thing is wrong (`domain.causes`), `drift` the
    number of labels of the live cluster secret that are not as Git says, `credentials` where its
    newest credentials are (`domain.credential_clock`).
    """

    fleet = models.ForeignKey(Fleet, on_delete=models.CASCADE, related_name="standings")
    cluster = models.OneToOneField(
        Cluster, on_delete=models.CASCADE, null=True, blank=True, related_name="standing"
    )
    change = models.ForeignKey(
        Change, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    hub_name = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    tenant = models.CharField(max_length=63, blank=True, default="")
    environment = models.CharField(max_length=63, blank=True, default="")
    model = models.CharField(max_length=20, blank=True, default="")
    addons_release = models.CharField(max_length=63, blank=True, default="")
    resources_release = models.CharField(max_length=63, blank=True, default="")
    monitoring_release = models.CharField(max_length=63, blank=True, default="")
    fleet_release = models.CharField(max_length=63, blank=True, default="")
    overrides = models.JSONField(default=list, blank=True)
    state = models.CharField(max_length=30)
    sentence = models.TextField(blank=True, default="")
    advice = models.TextField(blank=True, default="")
    cause = models.CharField(max_length=16, blank=True, default="")
    stage = models.CharField(max_length=20, blank=True, default="")
    drift = models.PositiveIntegerField(default=0)
    credentials = models.CharField(max_length=20, blank=True, default="")
    applications = models.PositiveIntegerField(default=0)
    synced = models.PositiveIntegerField(default=0)
    healthy = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    since = models.DateTimeField(null=True, blank=True)
    computed_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        indexes = [
            models.Index(fields=["state"]),
            models.Index(fields=["tenant", "environment"]),
            models.Index(fields=["hub_name", "name"]),
            # The order of the fleet's lists, of which a late page skips thousands of rows.
            models.Index(fields=["fleet", "name", "id"], name="standings_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.hub_name}/{self.name}: {self.state}"
