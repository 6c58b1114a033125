"""A cluster that Argo CD leaves alone for a while: by whom, why, and until when."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet, Hub


class ClusterPause(models.Model):
    """One pause. `change` writes it into Git, `end_change` takes it out again when `until` has come.

    `ended_at` is set when Git does not say it any more, or when it never came there.
    """

    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="pauses")
    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="pauses")
    cluster_name = models.CharField(max_length=63)
    change = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="pause")
    end_change = models.OneToOneField(
        Change, on_delete=models.PROTECT, null=True, blank=True, related_name="pause_ended"
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField(max_length=2000)
    until = models.DateTimeField()
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["hub", "cluster_name"],
                name="one_open_pause_per_cluster",
                condition=Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="pause_ends_after_it_began", condition=Q(until__gte=F("created_at"))
            ),
            models.CheckConstraint(name="pause_has_a_reason", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return f"Pause of {self.cluster_name} until {self.until:%Y-%m-%d %H:%M}"
