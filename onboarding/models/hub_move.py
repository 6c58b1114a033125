"""A cluster's move from one hub to another: two changes, one after the other."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from onboarding.domain.hub_move import MoveState
from onboarding.models.change import Change
from onboarding.models.fleet import Fleet, Hub


class HubMove(models.Model):
    """One move. `leave` lets the cluster go from `from_hub`; `join`, made when it has gone, registers it on `to_hub`.

    `registration` is the intent of `join` as the member file said when the move was asked for. `note`
    says what it waits for or why it stopped.
    """

    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="hub_moves")
    cluster_name = models.CharField(max_length=63)
    from_hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="moves_away")
    to_hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="moves_here")
    leave = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="move_away")
    join = models.OneToOneField(
        Change, on_delete=models.PROTECT, null=True, blank=True, related_name="move_here"
    )
    registration = models.JSONField()
    state = models.CharField(
        max_length=10,
        choices=[(one.value, one.value) for one in MoveState],
        default=MoveState.LEAVING.value,
    )
    note = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["fleet", "cluster_name"],
                name="one_open_move_per_cluster",
                condition=Q(ended_at__isnull=True),
            ),
            models.CheckConstraint(
                name="a_move_is_to_another_hub", condition=~Q(from_hub=F("to_hub"))
            ),
            models.CheckConstraint(
                name="who_joins_has_left", condition=Q(join=None) | Q(left_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Move of {self.cluster_name}: {self.state}"
