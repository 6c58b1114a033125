"""Permissions become roles: what groups and people may until now, they may go on, everywhere."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.utils import timezone

PERMISSIONS = {
    "request_change": "requester",
    "approve_change": "approver",
    "administer_fleet": "administrator",
}
DESTRUCTIVE = "approve_destructive_change"


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Turn permissions into roles for everything, and let whoever could only view go on viewing."""
    granting = apps.get_model("onboarding", "Grant")
    user, group = apps.get_model("auth", "User"), apps.get_model("auth", "Group")
    now = timezone.now()

    def give(roles: set[str], **whom: object) -> None:
        for role in sorted(roles):
            granting.objects.get_or_create(**whom, role=role, defaults={"granted_at": now})

    services = set(
        apps.get_model("onboarding", "ServiceAccount").objects.values_list("user", flat=True)
    )
    for each in group.objects.all():
        give(roles_of(each.permissions), group=each)
    viewers, _ = group.objects.get_or_create(name="Viewers")
    give({"viewer"}, group=viewers)
    for person in user.objects.all():
        if person.pk in services:
            give({"requester"}, user=person)
            continue
        give(roles_of(person.user_permissions), user=person)
        held = granting.objects.filter(
            models.Q(user=person) | models.Q(group__in=person.groups.all())
        )
        if not person.is_superuser and not held.exists():
            person.groups.add(viewers)
    apps.get_model("auth", "Permission").objects.filter(
        content_type__app_label="onboarding", codename__in=[*PERMISSIONS, DESTRUCTIVE]
    ).delete()


def roles_of(permissions: models.Manager) -> set[str]:  # type: ignore[type-arg]
    """The roles that give what these permissions gave."""
    held = set(
        permissions.filter(content_type__app_label="onboarding").values_list("codename", flat=True)
    )
    found = {role for name, role in PERMISSIONS.items() if name in held}
    if "approver" in found and DESTRUCTIVE in held:
        found = found - {"approver"} | {"removal_approver"}
    return found


class Migration(migrations.Migration):
    """The first grants; the permissions that they stand for go."""

    dependencies = [("onboarding", "0039_roles_are_granted")]

    operations = [
        migrations.RunPython(grant, migrations.RunPython.noop),
        migrations.AlterModelOptions(
            name="change",
            options={"ordering": ["-updated_at", "-pk"]},
        ),
    ]
