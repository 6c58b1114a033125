"""A change: what somebody wants of the fleet, and what was decided about it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from onboarding.domain.lifecycle import DecisionState
from onboarding.models.fleet import Fleet, Hub


class Change(models.Model):
    """An intent with its plan and its decision. A draft is a change too.

    `uid` is the `Change-Id` of the commit. `intent` is the validated intent as data, `plan` the plan
    that was shown last (its digest in `plan_digest`), `read_set` what that plan depends on.
    `server` is the spoke's API server where the secret's tag or the form named it: checked, not written.
    `revision` grows with each edit and each new request, so that an old form or approval is recognised.
    `demand` is what the approval policies asked of it then (`domain.policy.Demand` as data).
    `settled_at` is set when nothing more can follow: committed, rejected or withdrawn.
    """

    class Kind(models.TextChoices):
        """What is asked."""

        REGISTER = "register", "Register a cluster"
        EDIT = "edit", "Edit a cluster"
        OFFBOARD = "offboard", "Offboard a cluster"
        LAYER = "layer", "Edit a layer"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="changes")
    hub = models.ForeignKey(
        Hub, on_delete=models.PROTECT, related_name="changes", null=True, blank=True
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    cluster_name = models.CharField(max_length=63, blank=True, default="")
    tenant = models.CharField(max_length=63, blank=True, default="")
    environment = models.CharField(max_length=63, blank=True, default="")
    secret_name = models.CharField(max_length=600, blank=True, default="")
    server = models.CharField(max_length=500, blank=True, default="")
    form_data = models.JSONField(default=dict, blank=True)
    intent = models.JSONField(default=dict, blank=True)
    revision = models.PositiveIntegerField(default=1)
    base_commit = models.CharField(max_length=64, blank=True, default="")
    read_set = models.JSONField(default=dict, blank=True)
    plan = models.JSONField(default=dict, blank=True)
    plan_digest = models.CharField(max_length=80, blank=True, default="")
    destructive = models.BooleanField(default=False)
    demand = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=20, default=DecisionState.DRAFT.value)
    state_note = models.TextField(blank=True, default="")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requested_changes"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-updated_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="change_state_known",
                condition=Q(state__in=[state.value for state in DecisionState]),
            ),
            # Two open registrations of one name would each be right alone and wrong together.
            models.UniqueConstraint(
                fields=["cluster_name"],
                name="one_open_registration_per_name",
                condition=Q(kind="register", settled_at__isnull=True)
                & ~Q(state=DecisionState.DRAFT.value),
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-updated_at"]),
            models.Index(fields=["cluster_name"]),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.get_kind_display()} {self.about}"

    @property
    def about(self) -> str:
        """What it is about, in a word: its cluster, or whose layer it edits."""
        if self.kind != self.Kind.LAYER:
            return self.cluster_name
        return "/".join(name for name in (self.tenant, self.environment) if name) or "everywhere"


class Participant(models.Model):
    """Who takes part in a change, and as what; nobody is both author and approver."""

    class Role(models.TextChoices):
        """An author asked for the change or edited it; an approver decided on it."""

        AUTHOR = "author", "Author"
        APPROVER = "approver", "Approver"

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="participants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    role = models.CharField(max_length=10, choices=Role.choices)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["change", "user"], name="one_role_per_person_and_change"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} as {self.role} of change {self.change_id}"


class Comment(models.Model):
    """One contribution to the discussion of a change."""

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    body = models.TextField(max_length=4000)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "pk"]

    def __str__(self) -> str:
        return f"{self.author}: {self.body[:40]}"
