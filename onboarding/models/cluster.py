"""The fleet's members as Git has them: a cache, rebuilt from the repository at will."""

from __future__ import annotations

from django.db import models

from onboarding.models.fleet import Fleet


class Cluster(models.Model):
    """One fleet-member file at the indexed commit, with the labels that follow from it.

    Keyed by (fleet, path): two files that claim one name are two rows and a finding, not an error.
    `labels` maps a label key to {"value", "path", "line", "layer"}; `problem` says why the file could
    not be read (then the other columns hold what its path says).
    """

    fleet = models.ForeignKey(Fleet, on_delete=models.CASCADE, related_name="clusters")
    path = models.CharField(max_length=500)
    blob = models.CharField(max_length=64, blank=True, default="")
    hub_name = models.CharField(max_length=63)
    name = models.CharField(max_length=63)
    tenant = models.CharField(max_length=63, blank=True, default="")
    environment = models.CharField(max_length=63, blank=True, default="")
    secret_name = models.CharField(max_length=600, blank=True, default="")
    model = models.CharField(max_length=20, blank=True, default="")
    remote_addons = models.BooleanField(default=False)
    remote_resources = models.BooleanField(default=False)
    addons_release = models.CharField(max_length=63, blank=True, default="")
    resources_release = models.CharField(max_length=63, blank=True, default="")
    monitoring_release = models.CharField(max_length=63, blank=True, default="")
    fleet_release = models.CharField(max_length=63, blank=True, default="")
    labels = models.JSONField(default=dict, blank=True)
    annotations = models.JSONField(default=dict, blank=True)
    problem = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["fleet", "path"], name="one_row_per_member_file"),
        ]
        indexes = [
            models.Index(fields=["hub_name", "name"]),
            models.Index(fields=["name"]),
            models.Index(fields=["tenant", "environment"]),
            models.Index(fields=["secret_name"]),
            # Nearly always empty: whether a file cannot be read is known without reading all rows.
            models.Index(
                fields=["fleet", "path"],
                condition=models.Q(problem__gt=""),
                name="clusters_with_a_problem",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hub_name}/{self.name}"
