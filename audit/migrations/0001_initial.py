"""The audit trail, its chain, and the partitioned API log: as SQL, because Django must neither change nor flush
them."""

from __future__ import annotations

from pathlib import Path

import django.db.models.functions.datetime
from django.db import migrations, models

SQL = Path(__file__).parents[1] / "sql"
# In this order: triggers run the function of the first.
FILES = ("refuse", "events", "calls", "rollups", "verification", "digests", "hide_numbers")


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Call",
            fields=[
                ("request_id", models.UUIDField(primary_key=True, serialize=False)),
                ("time", models.DateTimeField()),
                ("account_id", models.BigIntegerField(null=True)),
                ("account", models.TextField()),
                ("api", models.TextField()),
                ("key_id", models.TextField(db_comment="the key's API ID, empty when unknown")),
                ("key_name", models.TextField()),
                ("owner", models.TextField()),
                ("credential", models.TextField()),
                ("method", models.TextField()),
                ("host", models.TextField()),
                ("path", models.TextField()),
                ("query", models.TextField()),
                ("module", models.TextField()),
                ("client_address", models.GenericIPAddressField(null=True)),
                ("decision", models.TextField()),
                ("reason", models.TextField()),
                ("rule", models.TextField()),
                ("mask", models.BooleanField()),
                ("hlr", models.BooleanField()),
                ("proxy", models.TextField()),
                ("user_agent", models.TextField()),
                ("status", models.IntegerField(null=True)),
                ("duration_ms", models.FloatField(null=True)),
                ("bytes", models.BigIntegerField(null=True)),
                ("folded", models.IntegerField(db_comment="how many refusals this row stands for")),
            ],
            options={
                "verbose_name": "API call",
                "verbose_name_plural": "API calls",
                "db_table": "audit_call",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Digest",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("account_id", models.BigIntegerField()),
                ("number", models.BigIntegerField()),
                ("since", models.DateTimeField(null=True)),
                ("until", models.DateTimeField()),
                ("late_until", models.DateTimeField(null=True)),
                ("last_event", models.BigIntegerField()),
                ("document", models.TextField()),
            ],
            options={
                "db_table": "audit_digest",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                ("body", models.TextField()),
                ("key_id", models.IntegerField(db_comment="number of the AUDIT_KEYS key")),
                ("prev", models.BinaryField()),
                ("mac", models.BinaryField()),
                ("name", models.TextField()),
                ("account_id", models.BigIntegerField(null=True)),
                (
                    "number",
                    models.BigIntegerField(
                        db_comment="within the account, or among the installation's own events; without gaps", null=True
                    ),
                ),
                ("actor_kind", models.TextField()),
                ("actor_id", models.TextField()),
                ("actor", models.TextField()),
                ("target_kind", models.TextField(null=True)),
                ("target_id", models.TextField(null=True)),
                ("target", models.TextField(null=True)),
                ("address", models.GenericIPAddressField(null=True)),
                ("request_id", models.TextField(null=True)),
            ],
            options={
                "verbose_name": "audit event",
                "verbose_name_plural": "audit events",
                "db_table": "audit_event",
                "managed": False,
            },
        ),
        migrations.CreateModel(
            name="Unmatched",
            fields=[
                ("request_id", models.UUIDField(primary_key=True, serialize=False)),
                ("status", models.IntegerField()),
                ("duration_ms", models.FloatField()),
                ("bytes", models.BigIntegerField()),
                ("arrived", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), db_index=True)),
            ],
        ),
        *(migrations.RunSQL((SQL / f"{name}.sql").read_text()) for name in FILES),
    ]
