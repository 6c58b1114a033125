"""A channel rollout: clusters that move from one release channel to another, wave after wave."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet, Hub


class Rollout(models.Model):
    """One rollout, from its request to its end. Each row's change has the plan of one cluster.

    `label` is the cluster label that chooses the channel, which moves from `source` to `target`.
    `patience` is how many seconds a cluster may take to become well. `note` says why it stands as it
    does, `left_out` which clusters were not taken in, each with the reason. `looked_commit` is the
    commit at which the plans that wait were last compared. `undoes` is the ended rollout that it leads
    back from, if it does.
    """

    class State(models.TextChoices):
        """Done, reverted and stopped are ends."""

        PROPOSED = "proposed", "Waiting for approval"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        REVERTING = "reverting", "Reverting"
        DONE = "done", "Done"
        REVERTED = "reverted", "Reverted"
        STOPPED = "stopped", "Stopped"

    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="rollouts")
    title = models.CharField(max_length=200)
    label = models.CharField(max_length=63)
    source = models.CharField(max_length=63)
    target = models.CharField(max_length=63)
    patience = models.PositiveIntegerField(default=900)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    note = models.TextField(blank=True, default="")
    left_out = models.JSONField(default=list, blank=True)
    looked_commit = models.CharField(max_length=64, blank=True, default="")
    undoes = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="ways_back"
    )
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="rollout_state_known",
                condition=Q(
                    state__in=[
                        "proposed",
                        "running",
                        "paused",
                        "reverting",
                        "done",
                        "reverted",
                        "stopped",
                    ]
                ),
            ),
            models.CheckConstraint(
                name="rollout_runs_only_approved",
                condition=Q(state__in=["proposed", "stopped"]) | Q(approved_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Rollout {self.pk}: {self.title}"


class RolloutWave(models.Model):
    """One wave. `released_at` is when its changes went to the delivery queue, `passed_at` when its gate opened."""

    rollout = models.ForeignKey(Rollout, on_delete=models.CASCADE, related_name="waves")
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=200)
    soak = models.PositiveIntegerField(default=0)
    released_at = models.DateTimeField(null=True, blank=True)
    passed_at = models.DateTimeField(null=True, blank=True)
    skipped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["rollout", "number"], name="rollout_waves_are_numbered"
            ),
            models.CheckConstraint(
                name="rollout_gate_passes_after_release",
                condition=Q(passed_at__isnull=True) | Q(released_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Wave {self.number} of rollout {self.rollout_id}"


class RolloutRow(models.Model):
    """One cluster of a wave, with the change that moves it and, once asked for, the one that moves it back.

    `pin_before` is what its own file chose before (None: it inherited). `well_since` is from when it
    has been well without a break. `is_open`: its rollout has not ended, so no other may take it in.
    """

    wave = models.ForeignKey(RolloutWave, on_delete=models.CASCADE, related_name="rows")
    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="+")
    cluster_name = models.CharField(max_length=63)
    change = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="rollout_row")
    revert = models.OneToOneField(
        Change, on_delete=models.PROTECT, null=True, blank=True, related_name="rollout_revert"
    )
    pin_before = models.CharField(max_length=63, null=True, blank=True)  # noqa: DJ001 -- None inherits
    is_open = models.BooleanField(default=True)
    well_since = models.DateTimeField(null=True, blank=True)
    excused_at = models.DateTimeField(null=True, blank=True)
    reverted_at = models.DateTimeField(null=True, blank=True)
    health = models.CharField(max_length=10, blank=True, default="")
    says = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["cluster_name"]
        constraints = [
            models.UniqueConstraint(
                fields=["hub", "cluster_name"],
                name="one_open_rollout_per_cluster",
                condition=Q(is_open=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cluster_name} in wave {self.wave_id}"
