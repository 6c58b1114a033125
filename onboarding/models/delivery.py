"""What became of an approved change in Git. The rows are the queue."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from onboarding.domain.lifecycle import DeliveryState
from onboarding.domain.reviews import PullRequestState
from onboarding.models.change import Change
from onboarding.models.fleet import Fleet


class Delivery(models.Model):
    """One approved plan on its way to the remote branch; one row per approved digest.

    `due_at` is the earliest time of the next try, `reason` why it waits or failed, in words for
    people, `alarm` what only a person can mend (`domain.alarms`). `base_commit` and `commit` are
    recorded *before* the push, so that whoever comes after a crash can ask the remote what became
    of it.
    """

    change = models.ForeignKey(Change, on_delete=models.PROTECT, related_name="deliveries")
    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="deliveries")
    digest = models.CharField(max_length=80)
    state = models.CharField(max_length=20, default=DeliveryState.QUEUED.value)
    reason = models.TextField(blank=True, default="")
    alarm = models.CharField(max_length=20, blank=True, default="")
    fence = models.PositiveBigIntegerField(default=0)
    tries = models.PositiveIntegerField(default=0)
    base_commit = models.CharField(max_length=64, blank=True, default="")
    commit = models.CharField(max_length=64, blank=True, default="")
    queued_at = models.DateTimeField()
    due_at = models.DateTimeField()
    committed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["queued_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "digest"], name="one_delivery_per_approved_plan"
            ),
            models.CheckConstraint(
                name="delivery_state_known",
                condition=Q(state__in=[state.value for state in DeliveryState]),
            ),
            models.CheckConstraint(
                name="committed_has_commit",
                condition=~Q(state__in=["committed", "merged_differently"]) | ~Q(commit=""),
            ),
        ]
        indexes = [
            models.Index(fields=["state", "due_at"]),
            models.Index(
                fields=["fleet", "alarm"], name="deliveries_with_an_alarm", condition=~Q(alarm="")
            ),
        ]

    def __str__(self) -> str:
        return f"Delivery of change {self.change_id}: {self.state}"


class DeliveryAttempt(models.Model):
    """One try to bring a delivery to the remote: when, for how long, and what came of it.

    `closed_at` is `finished_at` by the database's clock, as workers' clocks may be wrong.
    """

    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=200, blank=True, default="")
    fence = models.PositiveBigIntegerField(default=0)
    base_commit = models.CharField(max_length=64, blank=True, default="")
    commit = models.CharField(max_length=64, blank=True, default="")
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=40, blank=True, default="")
    reason = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="attempts_are_numbered"),
        ]

    def __str__(self) -> str:
        return (
            f"Attempt {self.number} of delivery {self.delivery_id}: {self.outcome or 'under way'}"
        )


class PullRequest(models.Model):
    """The pull request that carries a delivery, as the forge was last seen to tell it.

    `posted` is our commit status as it was set last (head and verdict), `actor` who merged or
    closed it, `checks` the other checks of its head.
    """

    delivery = models.OneToOneField(Delivery, on_delete=models.CASCADE, related_name="pull_request")
    branch = models.CharField(max_length=120)
    number = models.PositiveIntegerField()
    url = models.CharField(max_length=500, blank=True, default="")
    state = models.CharField(max_length=10, default=PullRequestState.OPEN.value)
    head_commit = models.CharField(max_length=64, blank=True, default="")
    merge_commit = models.CharField(max_length=64, blank=True, default="")
    posted = models.CharField(max_length=300, blank=True, default="")
    checks = models.JSONField(default=list, blank=True)
    waits_for = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=200, blank=True, default="")
    acted_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="pull_request_state_known",
                condition=Q(state__in=[state.value for state in PullRequestState]),
            ),
        ]

    def __str__(self) -> str:
        return f"Pull request {self.number} of delivery {self.delivery_id}: {self.state}"


class WriterLease(models.Model):
    """Who may write to a fleet's branch, until when; `fence` grows with every new holder."""

    fleet = models.OneToOneField(Fleet, on_delete=models.CASCADE, related_name="writer_lease")
    holder = models.CharField(max_length=200, blank=True, default="")
    fence = models.PositiveBigIntegerField(default=0)
    until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.fleet_id}: {self.holder or 'nobody'} (fence {self.fence})"
