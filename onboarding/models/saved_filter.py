"""Filters of lists that a person keeps."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class SavedFilter(models.Model):
    """One person's name for a filter of a list: `query` is the list's query string, without a page number."""

    class List(models.TextChoices):
        """The lists whose filters can be kept."""

        CLUSTERS = "clusters", "Clusters"
        APPLICATIONS = "applications", "Applications"

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters"
    )
    list = models.CharField(max_length=20, choices=List.choices)
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=1000, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "list", "name"], name="one_filter_of_a_name_for_each_list"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.list})"
