"""Roll-ups of each key's calls."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_old_secret")]

    operations = [
        migrations.CreateModel(
            name="Usage",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("account_id", models.BigIntegerField()),
                ("key_id", models.TextField()),
                ("api", models.TextField()),
                ("client_address", models.GenericIPAddressField(null=True)),
                ("credential", models.TextField()),
                ("route", models.TextField()),
                ("module", models.TextField()),
                ("reason", models.TextField()),
                ("old_secret", models.BooleanField()),
                ("last_seen", models.DateTimeField()),
                ("calls", models.BigIntegerField()),
            ],
            options={"db_table": "audit_usage", "managed": False},
        ),
        migrations.RunSQL((SQL / "usage.sql").read_text()),
    ]
