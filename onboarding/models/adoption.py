"""An existing repository on its way into the product: looked at, shown, then indexed."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from onboarding.models.fleet import Fleet


class Adoption(models.Model):
    """One person's wish to adopt one repository, and how far it has come.

    `report` is what was found, as `services.adopting.Survey.to_data` writes it; `seen_at` the last
    sign of life of whoever works on it; `tries` how often in a row the repository did not answer,
    and `due_at` when it is asked again. Nothing of it is ever written to Git.
    """

    class State(models.TextChoices):
        """Asked and wanted wait for a worker; found waits for the person."""

        ASKED = "asked", "Waiting to be read"
        LOOKING = "looking", "Being read"
        FOUND = "found", "Read"
        REFUSED = "refused", "Cannot be adopted"
        WANTED = "wanted", "Waiting to be indexed"
        INDEXING = "indexing", "Being indexed"
        DONE = "done", "Adopted"

    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT)
    name = models.SlugField(max_length=63)
    repository_url = models.CharField(max_length=500)
    branch = models.CharField(max_length=200)
    username = models.CharField(max_length=100, blank=True, default="")
    credential_file = models.CharField(max_length=500, blank=True, default="")
    known_hosts_file = models.CharField(max_length=500, blank=True, default="")
    layout = models.CharField(max_length=40, blank=True, default="")
    layout_data = models.JSONField(null=True, blank=True)
    state = models.CharField(max_length=20, choices=State.choices, default=State.ASKED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    problem = models.TextField(blank=True, default="")
    tries = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(null=True, blank=True)
    fleet = models.ForeignKey(Fleet, on_delete=models.SET_NULL, null=True, blank=True)
    created_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
