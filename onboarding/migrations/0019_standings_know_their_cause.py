from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0018_standings_count_labels_that_drifted")]

    operations = [
        migrations.AddField(
            model_name="standing",
            name="cause",
            field=models.CharField(blank=True, default="", max_length=16),
        ),
    ]
