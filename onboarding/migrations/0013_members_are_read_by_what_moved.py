"""Which members are read again follows from what moved in Git, not from a hash beside each row."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("onboarding", "0012_deliveries_raise_alarms")]

    operations = [migrations.RemoveField(model_name="cluster", name="fingerprint")]
