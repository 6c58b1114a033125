"""Who is signed in, whom an identity provider vouches for, and which attempts failed."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models


class ExternalIdentity(models.Model):
    """A person of an identity provider: the issuer and its subject, never a name or an address.

    `user` is the account that it has here; one that was made here has an identity only where an
    administrator linked the two.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="external_identity"
    )
    issuer = models.CharField(max_length=500)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="one_account_for_a_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class ProviderGroup(models.Model):
    """A group that is here because a provider has it: `name` is the provider's word for it.

    A group without such a row is this installation's own, whatever it is called.
    """

    group = models.OneToOneField(Group, on_delete=models.CASCADE, related_name="provider_group")
    issuer = models.CharField(max_length=500)
    name = models.CharField(max_length=150)

    def __str__(self) -> str:
        return self.name


class ProviderMembership(models.Model):
    """A membership that the provider gave, and takes again. What was given here has no such row."""

    identity = models.ForeignKey(
        ExternalIdentity, on_delete=models.CASCADE, related_name="memberships"
    )
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["identity", "group"], name="given_once_by_a_provider"),
        ]

    def __str__(self) -> str:
        return f"{self.identity_id} in {self.group_id}"


class SignIn(models.Model):
    """One browser in which somebody is signed in; without its row the session counts no more.

    `seen_at` is when a person last did something (a page that renews itself does not count).
    With an `identity`: `confirmed_at` is when the provider last said that this is still the person,
    `tokens` (sealed) what it is asked and left with, `provider_session` its own name for the session,
    `renewing_until` until when one process asks it, so that no two do.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="sign_ins"
    )
    identity = models.ForeignKey(
        ExternalIdentity, on_delete=models.CASCADE, null=True, blank=True, related_name="sign_ins"
    )
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(db_index=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    agent = models.CharField(max_length=200, blank=True, default="")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    renewing_until = models.DateTimeField(null=True, blank=True)
    provider_session = models.CharField(max_length=255, blank=True, default="")
    tokens = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-seen_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.user_id} since {self.started_at:%Y-%m-%d %H:%M}"


class SignInFailures(models.Model):
    """How often somebody failed to prove who they are. `key` is a digest of whom it counts for.

    An attempt is counted before it is judged, so that many at once are many.
    """

    key = models.CharField(max_length=64, unique=True)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"{self.count} until {self.last_at:%Y-%m-%d %H:%M}"
