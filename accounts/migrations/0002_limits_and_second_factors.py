"""Limits on tries, second factors, and accounts that require one."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_accounts_and_users"),
    ]

    operations = [
        migrations.CreateModel(
            name="Limit",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "name", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.CharField(max_length=40)),
                ("key", models.CharField(max_length=254)),
                (
                    "taken",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(), db_comment="when, within the window, oldest first", size=None
                    ),
                ),
                (
                    "refused",
                    models.PositiveIntegerField(
                        db_comment="tries beyond the limit, not yet told to the trail", default=0
                    ),
                ),
                ("expires_at", models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="TotpUse",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("step", models.BigIntegerField(db_comment="seconds since 1970, divided by 30")),
            ],
        ),
        migrations.AddField(
            model_name="account",
            name="second_factor_required",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.CreateModel(
            name="PasskeyChallenge",
            fields=[
                ("challenge", models.BinaryField(primary_key=True, serialize=False)),
                ("action", models.CharField(max_length=40)),
                ("target", models.CharField(max_length=200)),
                ("expires_at", models.DateTimeField(db_index=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
        ),
    ]
