"""A fleet (one Git repository and branch) and the hubs that act it out."""

from __future__ import annotations

from django.db import models

from onboarding.domain.reviews import ForgeKind


class Fleet(models.Model):
    """One Git repository on one branch: where members are written.

    `indexed_at` is when the branch was last read, `moved_at` when that showed another commit.
    `chart_versions` maps a chart's folder to its version at the indexed commit.
    Credentials are held by reference only: `credential_file` names a file that the service can read
    (a token for https, a private key for ssh), never its content. `delivery_mode` says whether
    changes are pushed to the branch or asked for in pull requests on the `forge`.
    """

    class DeliveryMode(models.TextChoices):
        """How an approved change reaches the branch."""

        DIRECT = "direct", "Direct: Fleet UI pushes to the branch"
        PULL_REQUEST = "pull_request", "Pull request: people merge it on the forge"

    class Signing(models.TextChoices):
        """What commits are signed with."""

        SSH = "ssh", "SSH key"
        GPG = "gpg", "GPG key"

    name = models.SlugField(max_length=63, unique=True)
    repository_url = models.CharField(max_length=500)
    branch = models.CharField(max_length=200, default="main")
    layout = models.CharField(max_length=40, default="tenants")
    layout_data = models.JSONField(null=True, blank=True)
    username = models.CharField(max_length=100, blank=True, default="")
    credential_file = models.CharField(max_length=500, blank=True, default="")
    known_hosts_file = models.CharField(max_length=500, blank=True, default="")
    ca_file = models.CharField(max_length=500, blank=True, default="")
    delivery_mode = models.CharField(
        max_length=20, choices=DeliveryMode.choices, default=DeliveryMode.DIRECT
    )
    forge = models.CharField(
        max_length=20,
        choices=[(kind.value, kind.word) for kind in ForgeKind],
        blank=True,
        default="",
    )
    forge_url = models.CharField(max_length=500, blank=True, default="")
    forge_token_file = models.CharField(max_length=500, blank=True, default="")
    webhook_secret_file = models.CharField(max_length=500, blank=True, default="")
    signing = models.CharField(max_length=10, choices=Signing.choices, blank=True, default="")
    signing_key_file = models.CharField(max_length=500, blank=True, default="")
    committer_email = models.CharField(max_length=200, blank=True, default="")
    pushes_per_minute = models.PositiveIntegerField(default=0)
    indexed_commit = models.CharField(max_length=64, blank=True, default="")
    indexed_at = models.DateTimeField(null=True, blank=True)
    moved_at = models.DateTimeField(null=True, blank=True)
    chart_versions = models.JSONField(default=dict, blank=True)
    index_problem = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Hub(models.Model):
    """One Argo CD hub: how to reach its two APIs, its Secrets Manager, and its pages.

    Every token, certificate and role is a reference (a file's path, an ARN), never a value.
    """

    class Access(models.TextChoices):
        """How the product proves itself to the hub's Kubernetes API."""

        TOKEN_FILE = "token_file", "Token file and certificate authority"
        IN_CLUSTER = "in_cluster", "In-cluster service account"
        EKS = "eks", "Amazon EKS by cluster name, region and role"

    fleet = models.ForeignKey(Fleet, on_delete=models.PROTECT, related_name="hubs")
    name = models.CharField(max_length=63, unique=True)
    access = models.CharField(max_length=20, choices=Access.choices, default=Access.TOKEN_FILE)
    api_url = models.CharField(max_length=500, blank=True, default="")
    api_token_file = models.CharField(max_length=500, blank=True, default="")
    api_ca_file = models.CharField(max_length=500, blank=True, default="")
    namespace = models.CharField(max_length=63, default="argocd")
    eks_cluster = models.CharField(max_length=100, blank=True, default="")
    argocd_url = models.CharField(max_length=500, blank=True, default="")
    argocd_token_file = models.CharField(max_length=500, blank=True, default="")
    argocd_ca_file = models.CharField(max_length=500, blank=True, default="")
    link_url = models.CharField(max_length=500, blank=True, default="")
    aws_region = models.CharField(max_length=40, blank=True, default="")
    aws_role_arn = models.CharField(max_length=200, blank=True, default="")
    aws_external_id = models.CharField(max_length=200, blank=True, default="")
    aws_endpoint_url = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
