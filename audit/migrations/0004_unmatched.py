"""Lines of access logs that match no call."""

from __future__ import annotations

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_hidden_numbers")]
    operations = [
        migrations.CreateModel(
            "Unmatched",
            [
                ("request_id", models.UUIDField(primary_key=True, serialize=False)),
                ("status", models.IntegerField()),
                ("duration_ms", models.FloatField()),
                ("bytes", models.BigIntegerField()),
                ("arrived", models.DateTimeField(db_default=Now(), db_index=True)),
            ],
        ),
    ]
