"""Programs that use the API: who they are, their tokens, and what they asked once already."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from onboarding.models.change import Change
from onboarding.models.fleet import Fleet


class ServiceAccount(models.Model):
    """An identity for programs. Its user asks for changes and never decides on one.

    It outlives its tokens: a new token of the same service goes on where the old one ended. Nobody
    signs in as it, for its user has no password.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="service_account"
    )
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.user.get_username()


class ServiceToken(models.Model):
    """One token of a service. Only its digest is kept; `prefix` is the part that is shown again.

    `verbs` are `domain.tokens.Verb` values, `fleets` those that it reaches: of others it hears what
    it would hear of fleets that do not exist.
    """

    account = models.ForeignKey(ServiceAccount, on_delete=models.PROTECT, related_name="tokens")
    prefix = models.CharField(max_length=16, unique=True)
    digest = models.CharField(max_length=64, unique=True)
    verbs = models.JSONField(default=list)
    fleets = models.ManyToManyField(Fleet, related_name="service_tokens")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                name="tokens_expire_after_they_are_made",
                condition=Q(expires_at__gt=F("created_at")),
            ),
        ]

    def __str__(self) -> str:
        return self.prefix


class IdempotencyKey(models.Model):
    """A request that a service sent under a key, so that it is done once however often it is sent.

    `fingerprint` is the digest of what was asked. `change` and `answer` are written in the
    transaction that makes the change, so that there is never one without the other; while they are
    missing somebody works on it since `begun_at`.
    """

    account = models.ForeignKey(ServiceAccount, on_delete=models.CASCADE, related_name="keys")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64)
    begun_at = models.DateTimeField()
    change = models.ForeignKey(
        Change, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    answer = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "key"], name="one_request_for_each_key"),
            models.CheckConstraint(
                name="answered_keys_have_a_change",
                condition=Q(change__isnull=True, answer__isnull=True)
                | Q(change__isnull=False, answer__isnull=False),
            ),
        ]
        indexes = [models.Index(fields=["begun_at"], name="keys_by_age")]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.key[:40]}"
