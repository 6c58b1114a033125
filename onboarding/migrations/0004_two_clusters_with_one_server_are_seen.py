from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0003_versions_of_charts_in_the_repository")]

    operations = [
        migrations.RemoveConstraint(
            model_name="clusterstatus", name="one_row_per_registered_server"
        ),
        migrations.AddConstraint(
            model_name="clusterstatus",
            constraint=models.UniqueConstraint(
                fields=("hub", "server", "name"), name="one_row_per_cluster_secret"
            ),
        ),
    ]
