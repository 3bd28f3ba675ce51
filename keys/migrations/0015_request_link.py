"""Where an API is reached is a setting of it."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("keys", "0014_contained_modules")]
    operations = [
        migrations.AddField(
            "api", "request_link", models.CharField(blank=True, db_default="", default="", max_length=200)
        ),
    ]
