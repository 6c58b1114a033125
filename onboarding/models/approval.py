"""Who decided what on which plan."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from onboarding.models.change import Change


class Approval(models.Model):
    """One person's decision on the plan with one digest; it says nothing about any other plan."""

    class Verdict(models.TextChoices):
        """What was decided."""

        APPROVE = "approve", "Approved"
        REJECT = "reject", "Rejected"

    change = models.ForeignKey(Change, on_delete=models.CASCADE, related_name="approvals")
    digest = models.CharField(max_length=80)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals"
    )
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    reason = models.TextField(blank=True, default="", max_length=2000)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["created_at", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["change", "digest", "user"], name="one_decision_per_person_and_plan"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_verdict_display()} by {self.user}: change {self.change_id}"
