"""The three groups that give rights until finer roles come: requesters, approvers, administrators."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GROUPS = {
    "Requesters": ["request_change"],
    "Approvers": ["approve_change"],
    "Administrators": ["administer_fleet"],
}
NAMES = {
    "request_change": "Can ask for a change of the fleet",
    "approve_change": "Can approve or reject a change",
    "administer_fleet": "Can configure fleets and hubs",
}


def create_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the groups with their permissions; Django itself makes permissions only after migrating."""
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label="onboarding", model="change"
    )
    permission = apps.get_model("auth", "Permission")
    for group_name, codenames in GROUPS.items():
        group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=group_name)
        for codename in codenames:
            granted, _ = permission.objects.get_or_create(
                content_type=content_type, codename=codename, defaults={"name": NAMES[codename]}
            )
            group.permissions.add(granted)


class Migration(migrations.Migration):
    """Creates the groups; going back keeps them, for people may be in them."""

    dependencies = [
        ("onboarding", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_groups, migrations.RunPython.noop)]
