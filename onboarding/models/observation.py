"""What the hubs were last seen to say. Nothing here was decided by us."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from onboarding.models.fleet import Hub


class HubWatch(models.Model):
    """How the observing of one hub stands: who does it, since when, and what it last saw.

    `identity` tells a hub from another one at the same address; `generation` grows with each full
    list, so that what a list did not name can be swept. `kinds` maps a kind to
    {"resource_version", "listed_at", "seen_at", "problem", "problem_since"}.
    """

    hub = models.OneToOneField(Hub, on_delete=models.CASCADE, related_name="watch")
    holder = models.CharField(max_length=200, blank=True, default="")
    fence = models.PositiveBigIntegerField(default=0)
    until = models.DateTimeField(null=True, blank=True)
    identity = models.CharField(max_length=200, blank=True, default="")
    version = models.CharField(max_length=100, blank=True, default="")
    demo = models.BooleanField(default=False)
    generation = models.PositiveBigIntegerField(default=0)
    kinds = models.JSONField(default=dict, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    clusters_seen_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, default="")
    problem_since = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"watch of {self.hub_id}"


class HubObject(models.Model):
    """An ApplicationSet, ExternalSecret or SecretStore of a hub: only the facts that pages need.

    Of an ExternalSecret, `presence` is what Secrets Manager itself said of its secret at
    `presence_at`, `version` the current version that it last named, and `version_at` when that was
    made. An answer that says nothing of the secret leaves the version as it was. `complaint` is what
    the operator last warned of while it fails, which its condition does not say.
    """

    hub = models.ForeignKey(Hub, on_delete=models.CASCADE, related_name="objects_seen")
    kind = models.CharField(max_length=30)
    uid = models.CharField(max_length=100)
    name = models.CharField(max_length=253)
    facts = models.JSONField(default=dict, blank=True)
    ready = models.BooleanField(null=True)
    message = models.TextField(blank=True, default="")
    resource_version = models.CharField(max_length=60, blank=True, default="")
    generation = models.PositiveBigIntegerField(default=0)
    seen_at = models.DateTimeField()
    changed_at = models.DateTimeField(null=True, blank=True)
    presence = models.CharField(max_length=20, blank=True, default="")
    presence_detail = models.TextField(blank=True, default="")
    presence_at = models.DateTimeField(null=True, blank=True)
    version = models.CharField(max_length=120, blank=True, default="")
    version_at = models.DateTimeField(null=True, blank=True)
    complaint = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["kind", "name"]
        constraints = [
            models.UniqueConstraint(fields=["hub", "uid"], name="one_row_per_hub_object"),
        ]
        indexes = [models.Index(fields=["hub", "kind", "name"])]

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class ClusterStatus(models.Model):
    """A cluster as the hub's Argo CD has it registered.

    Argo CD tells clusters apart by their server alone. Two cluster secrets with one server are two
    rows here, so that the mistake can be seen. `untried_since`: its application controller tries other
    clusters and not this one. `unwatched`: so many more Applications does Argo CD have for it than are
    watched, since `unwatched_since`.
    """

    hub = models.ForeignKey(Hub, on_delete=models.CASCADE, related_name="cluster_statuses")
    name = models.CharField(max_length=253)
    server = models.CharField(max_length=500)
    labels = models.JSONField(default=dict, blank=True)
    annotations = models.JSONField(default=dict, blank=True)
    connection = models.CharField(max_length=20, blank=True, default="")
    connection_message = models.TextField(blank=True, default="")
    connected_at = models.DateTimeField(null=True, blank=True)
    untried_since = models.DateTimeField(null=True, blank=True)
    unwatched = models.PositiveIntegerField(default=0)
    unwatched_since = models.DateTimeField(null=True, blank=True)
    version = models.CharField(max_length=60, blank=True, default="")
    first_seen_at = models.DateTimeField()
    labels_changed_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()
    generation = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["hub", "server", "name"], name="one_row_per_cluster_secret"
            ),
        ]
        indexes = [
            models.Index(fields=["hub", "name"]),
            # Nearly always none: System asks for them, and would read all clusters with their labels.
            models.Index(
                fields=["hub"], condition=Q(unwatched__gt=0), name="clusters_with_unwatched"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.connection or 'unknown'})"


class ApplicationStatus(models.Model):
    """An Application as a hub was last seen to report it; the verdict is computed when it is read in.

    `cluster_name` is the destination's name; `facts` holds what `domain.sync` needs beyond the columns.
    """

    hub = models.ForeignKey(Hub, on_delete=models.CASCADE, related_name="applications")
    uid = models.CharField(max_length=100)
    name = models.CharField(max_length=253)
    cluster_name = models.CharField(max_length=253, blank=True, default="")
    component = models.CharField(max_length=120, blank=True, default="")
    application_set = models.CharField(max_length=253, blank=True, default="")
    sync = models.CharField(max_length=20, blank=True, default="")
    health = models.CharField(max_length=20, blank=True, default="")
    verdict = models.CharField(max_length=20, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    version = models.CharField(max_length=120, blank=True, default="")
    revision = models.CharField(max_length=120, blank=True, default="")
    facts = models.JSONField(default=dict, blank=True)
    resource_version = models.CharField(max_length=60, blank=True, default="")
    generation = models.PositiveBigIntegerField(default=0)
    first_seen_at = models.DateTimeField()
    synced_at = models.DateTimeField(null=True, blank=True)
    healthy_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["hub", "uid"], name="one_row_per_application"),
        ]
        indexes = [
            models.Index(fields=["hub", "cluster_name"]),
            # The order of the fleet-wide list, and all its numbers, without reading a row.
            models.Index(fields=["verdict", "name", "id", "hub"], name="applications_in_order"),
            models.Index(
                fields=["hub", "verdict", "sync", "health", "component"],
                name="applications_counted",
            ),
            # What the search looks through.
            models.Index(fields=["name", "id"], name="applications_by_name"),
            models.Index(fields=["component"], name="applications_by_component"),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.sync or 'Unknown'}, {self.health or 'Unknown'}"
