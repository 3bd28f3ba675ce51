"""How often a key's secret is changed by itself, and how long the old one then works."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0002_notices")]

    operations = [
        migrations.AddField("key", "rotation_days", models.PositiveSmallIntegerField(null=True)),
        migrations.AddField(
            "key", "rotation_overlap", models.CharField(max_length=4, blank=True, default="", db_default="")
        ),
    ]
