"""What lint found in a fleet's repository: made anew from Git at will."""

from __future__ import annotations

from django.db import models

from onboarding.models.fleet import Fleet


class LintReport(models.Model):
    """The last report on one fleet: what it was made from, when, and how long that took.

    `basis` changes with the commit, the fleet's layout and the rules; `left_out` counts findings beyond
    the most that are kept.
    """

    fleet = models.OneToOneField(Fleet, on_delete=models.CASCADE, related_name="lint_report")
    commit = models.CharField(max_length=64)
    basis = models.CharField(max_length=64)
    made_at = models.DateTimeField()
    seconds = models.FloatField(default=0)
    files_read = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"lint of {self.fleet_id} at {self.commit[:10]}"


class LintFinding(models.Model):
    """One finding of the last report; `number` is its place in it, the worst first."""

    report = models.ForeignKey(LintReport, on_delete=models.CASCADE, related_name="findings")
    number = models.PositiveIntegerField()
    rule = models.CharField(max_length=60)
    severity = models.CharField(max_length=10)
    path = models.TextField()
    line = models.PositiveIntegerField()
    column = models.PositiveIntegerField()
    title = models.TextField()
    why = models.TextField()
    advice = models.TextField()

    class Meta:
        ordering = ["number"]
        indexes = [models.Index(fields=["report", "number"])]

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.rule}"
