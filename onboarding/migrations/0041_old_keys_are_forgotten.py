"""Keys of requests are looked up by their age, to forget the old ones."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """An index on `begun_at`."""

    dependencies = [("onboarding", "0040_permissions_become_roles")]

    operations = [
        migrations.AddIndex(
            model_name="idempotencykey",
            index=models.Index(fields=["begun_at"], name="keys_by_age"),
        ),
    ]
