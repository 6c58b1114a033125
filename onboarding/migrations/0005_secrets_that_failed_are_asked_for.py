from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0004_two_clusters_with_one_server_are_seen")]

    operations = [
        migrations.AddField(
            model_name="hubobject",
            name="presence",
            field=models.CharField(blank=True, default="", max_length=20),
        ),
        migrations.AddField(
            model_name="hubobject",
            name="presence_detail",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="hubobject",
            name="presence_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
