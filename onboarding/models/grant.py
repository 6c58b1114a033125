"""Who may what, where: roles that are given to people and to groups."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import F, Q

from onboarding.domain.roles import ALL, Held, Role


class Grant(models.Model):
    """One role for one person or one group, at every place that the three patterns match.

    Patterns are as `domain.roles.parse_pattern` takes them. It counts until `expires_at`. Nobody in
    `granted_by`: the product itself, or a command.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="grants",
    )
    group = models.ForeignKey(
        Group, on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    role = models.CharField(max_length=20, choices=[(role.value, role.word) for role in Role])
    fleet = models.CharField(max_length=63, default=ALL)
    tenant = models.CharField(max_length=63, default=ALL)
    environment = models.CharField(max_length=63, default=ALL)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    granted_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                name="grant_is_of_a_person_or_a_group",
                condition=Q(user__isnull=True, group__isnull=False)
                | Q(user__isnull=False, group__isnull=True),
            ),
            models.CheckConstraint(
                name="grant_role_known", condition=Q(role__in=[role.value for role in Role])
            ),
            models.CheckConstraint(
                name="grant_administers_everything",
                condition=~Q(role=Role.ADMINISTRATOR.value)
                | Q(fleet=ALL, tenant=ALL, environment=ALL),
            ),
            models.CheckConstraint(
                name="grant_expires_after_it_is_given",
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("granted_at")),
            ),
            models.UniqueConstraint(
                fields=["user", "role", "fleet", "tenant", "environment"],
                name="one_grant_of_a_kind_per_person",
                condition=Q(user__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["group", "role", "fleet", "tenant", "environment"],
                name="one_grant_of_a_kind_per_group",
                condition=Q(group__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} of {self.fleet}/{self.tenant}/{self.environment}"

    @property
    def held(self) -> Held:
        """What it gives, as the domain knows it."""
        return Held(Role(self.role), self.fleet, self.tenant, self.environment)
