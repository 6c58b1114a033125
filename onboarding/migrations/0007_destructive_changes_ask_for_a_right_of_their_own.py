"""Approving that something goes away is a right of its own; today's approvers keep what they could do."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give the new right to the group of approvers."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="onboarding", model="change"
    )
    granted, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=content_type,
        codename="approve_destructive_change",
        defaults={"name": "Can approve that something that runs goes away"},
    )
    group, _ = apps.get_model("auth", "Group").objects.get_or_create(name="Approvers")
    group.permissions.add(granted)


class Migration(migrations.Migration):
    """The permission, and who has it at first."""

    dependencies = [("onboarding", "0006_standings_say_what_to_do")]

    operations = [
        migrations.AlterModelOptions(
            name="change",
            options={
                "ordering": ["-updated_at", "-pk"],
                "permissions": [
                    ("request_change", "Can ask for a change of the fleet"),
                    ("approve_change", "Can approve or reject a change"),
                    (
                        "approve_destructive_change",
                        "Can approve that something that runs goes away",
                    ),
                    ("administer_fleet", "Can configure fleets and hubs"),
                ],
            },
        ),
        migrations.RunPython(grant, migrations.RunPython.noop),
    ]
