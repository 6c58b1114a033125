"""Signs of life of the product's own parts."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a part last *completed* its loop: being up is not being alive."""

    part = models.CharField(max_length=100, unique=True)
    at = models.DateTimeField()
    detail = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["part"]

    def __str__(self) -> str:
        return f"{self.part} at {self.at:%H:%M:%S}"
