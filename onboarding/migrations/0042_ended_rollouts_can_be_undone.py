"""A rollout can lead back from one that has ended."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Which rollout one undoes."""

    dependencies = [("onboarding", "0041_old_keys_are_forgotten")]

    operations = [
        migrations.AddField(
            model_name="rollout",
            name="undoes",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="ways_back",
                to="onboarding.rollout",
            ),
        ),
    ]
