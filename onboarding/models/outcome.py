"""What became of a prediction: the hub's doing held against the delivered plan."""

from __future__ import annotations

from django.db import models

from onboarding.domain.outcome import OutcomeState
from onboarding.models.delivery import Delivery


class Outcome(models.Model):
    """The comparison of one delivered plan with its hub; `since` is when its state was reached.

    A plan of many clusters is compared by cluster: `agreeing` of `clusters` have what was foreseen,
    and `lacking` names those that do not (hub, cluster, first difference), the first ones of them.
    `tellings` counts how often the hub was told to look once more, at `told_at` the last time.
    """

    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="outcome")
    state = models.CharField(
        max_length=20,
        choices=[(state.value, state.value) for state in OutcomeState],
        default=OutcomeState.WAITING.value,
    )
    differences = models.JSONField(default=list, blank=True)
    clusters = models.PositiveIntegerField(default=0)
    agreeing = models.PositiveIntegerField(default=0)
    lacking = models.JSONField(default=list, blank=True)
    since = models.DateTimeField()
    checked_at = models.DateTimeField()
    tellings = models.PositiveSmallIntegerField(default=0)
    told_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["state"])]
        constraints = [
            models.CheckConstraint(
                name="no_more_clusters_agree_than_there_are",
                condition=models.Q(agreeing__lte=models.F("clusters")),
            ),
        ]

    def __str__(self) -> str:
        return f"Outcome of delivery {self.delivery_id}: {self.state}"
