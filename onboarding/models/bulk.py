"""Many changes that are asked for together and decided on once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet


class Bulk(models.Model):
    """One request for many clusters. Each row that can be done has a change of its own.

    `answers` is what an edit asks of every cluster, as data of `automation.asking.Answers`. `note`
    says why it was rejected or withdrawn.
    """

    class Kind(models.TextChoices):
        """What is asked."""

        REGISTER = "register", "Register clusters"
        EDIT = "edit", "Edit clusters"

    class State(models.TextChoices):
        """Rows are checked first, by workers; then people decide, once."""

        CHECKING = "checking", "Checking"
        PROPOSED = "proposed", "Waiting for approval"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"
        WITHDRAWN = "withdrawn", "Withdrawn"

    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="bulks")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    title = models.CharField(max_length=200)
    answers = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CHECKING)
    note = models.TextField(blank=True, default="")
    requester = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                name="bulk_state_known",
                condition=Q(
                    state__in=["checking", "proposed", "approved", "rejected", "withdrawn"]
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"Bulk {self.pk}: {self.title}"


class BulkRow(models.Model):
    """One cluster of a bulk, by its line in what was sent.

    `said` is what the line says by column. Once checked it has either a change, or `problems`: pairs
    of a column ("" for the whole) and a sentence. `due_at` is when a worker may check it: later than
    now while one is at it.
    """

    bulk = models.ForeignKey(Bulk, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()
    hub_name = models.CharField(max_length=1000, blank=True, default="")
    cluster_name = models.CharField(max_length=1000, blank=True, default="")
    said = models.JSONField(default=dict, blank=True)
    problems = models.JSONField(default=list, blank=True)
    is_checked = models.BooleanField(default=False)
    due_at = models.DateTimeField()
    change = models.OneToOneField(
        Change, on_delete=models.PROTECT, null=True, blank=True, related_name="bulk_row"
    )

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["bulk", "number"], name="bulk_rows_are_numbered"),
            models.CheckConstraint(
                name="bulk_row_with_a_change_is_checked",
                condition=Q(change__isnull=True) | Q(is_checked=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], name="bulk_rows_to_check", condition=Q(is_checked=False)
            ),
        ]

    def __str__(self) -> str:
        return f"Line {self.number} of bulk {self.bulk_id}"
