"""A cluster's way out of the fleet: the run, and each of its steps with the evidence."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from onboarding.domain.leaving import LeaveStep
from onboarding.models.change import Change
from onboarding.models.fleet import Fleet, Hub


class Offboarding(models.Model):
    """One run, from its request to the last evidence. `change` has the plan and the approval of the whole way.

    `state` is what people want of the run; where it stands is told by its steps. `note` says why it is
    paused, stopped or ended. `seen` are the Applications that were there before the first commit, as in
    a step. `given_up_at`: somebody decided that the spoke is gone for good.
    """

    class State(models.TextChoices):
        """Running and paused are open; stopped and done are ends."""

        RUNNING = "running", "Leaving"
        PAUSED = "paused", "Paused"
        STOPPED = "stopped", "Stopped"
        DONE = "done", "Gone"

    change = models.OneToOneField(Change, on_delete=models.PROTECT, related_name="offboarding")
    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="offboardings")
    hub = models.ForeignKey(Hub, on_delete=models.PROTECT, related_name="offboardings")
    cluster_name = models.CharField(max_length=63)
    keep = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    note = models.TextField(blank=True, default="")
    seen = models.JSONField(default=dict, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    given_up_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    given_up_reason = models.TextField(blank=True, default="")
    created_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["hub", "cluster_name"],
                name="one_open_offboarding_per_cluster",
                condition=Q(ended_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"Offboarding of {self.cluster_name}: {self.state}"


class OffboardingStep(models.Model):
    """One commit of the way and what was seen after it.

    `change` makes the commit: of the first step that of the run, of a later one a change of its own,
    made when the evidence before it is there. `begun_at` is from when evidence counts: the commit, or
    when Git was found to be so already. `seen` maps each Application that was seen to whether it
    takes its objects along.
    """

    offboarding = models.ForeignKey(Offboarding, on_delete=models.CASCADE, related_name="steps")
    number = models.PositiveSmallIntegerField()
    step = models.CharField(max_length=20, choices=[(one.value, one.words) for one in LeaveStep])
    change = models.OneToOneField(
        Change, on_delete=models.PROTECT, null=True, blank=True, related_name="offboarding_step"
    )
    begun_at = models.DateTimeField(null=True, blank=True)
    says = models.TextField(blank=True, default="")
    remedy = models.TextField(blank=True, default="")
    stuck = models.BooleanField(default=False)
    unreachable = models.BooleanField(default=False)
    seen = models.JSONField(default=dict, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["offboarding", "number"], name="offboarding_steps_are_numbered"
            ),
        ]

    def __str__(self) -> str:
        return f"Step {self.number} of offboarding {self.offboarding_id}: {self.step}"
