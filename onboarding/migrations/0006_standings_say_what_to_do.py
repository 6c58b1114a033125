from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0005_secrets_that_failed_are_asked_for")]

    operations = [
        migrations.AddField(
            model_name="standing",
            name="advice",
            field=models.TextField(blank=True, default=""),
        ),
    ]
