"""APIs, keys, their secrets and restrictions."""

from __future__ import annotations

import uuid

import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import keys.model_fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_accounts_and_users"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Api",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("document", models.JSONField()),
                ("policy", models.JSONField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="Secret",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False),
                ),
                ("digest", models.BinaryField()),
                ("pepper_id", models.PositiveIntegerField()),
                ("sealed", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("retires_at", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Key",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "public_id",
                    models.CharField(max_length=12, unique=True, verbose_name="API ID"),
                ),
                ("name", models.CharField(max_length=200)),
                ("fields", models.JSONField(default=dict)),
                ("enabled", models.BooleanField(default=True)),
                ("expires_at", models.DateTimeField(null=True)),
                ("all_modules", models.BooleanField(default=True)),
                ("mask_phone", models.BooleanField(default=False)),
                ("hlr_lookup", models.BooleanField(default=False)),
                ("recordings", models.BooleanField(default=False)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("deleted_at", models.DateTimeField(null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="keys",
                        to="accounts.account",
                    ),
                ),
                (
                    "api",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="keys",
                        to="keys.api",
                    ),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Creation",
            fields=[
                ("token", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="keys.key",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Module",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("slug", models.SlugField(max_length=64)),
                ("name", models.CharField(max_length=200)),
                ("number", models.PositiveIntegerField(null=True)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                (
                    "api",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="modules",
                        to="keys.api",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyModule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="keys.key",
                    ),
                ),
                (
                    "module",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="keys.module",
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="key",
            name="modules",
            field=models.ManyToManyField(related_name="keys", through="keys.KeyModule", to="keys.module"),
        ),
        migrations.CreateModel(
            name="Route",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("method", models.CharField(max_length=10)),
                ("template", models.CharField(max_length=500)),
                ("conditions", models.JSONField(default=dict)),
                ("adds_leads", models.BooleanField(default=False)),
                ("recording", models.BooleanField(default=False)),
                (
                    "module",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="routes",
                        to="keys.module",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SecretUse",
            fields=[
                (
                    "secret",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="use",
                        serialize=False,
                        to="keys.secret",
                    ),
                ),
                ("used_at", models.DateTimeField()),
                ("address", models.GenericIPAddressField()),
            ],
        ),
        migrations.AddField(
            model_name="secret",
            name="key",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="secrets",
                to="keys.key",
            ),
        ),
        migrations.CreateModel(
            name="Enablement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="enablements",
                        to="accounts.account",
                    ),
                ),
                (
                    "api",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="enablements",
                        to="keys.api",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        models.F("account"),
                        models.F("api"),
                        name="api_enabled_once_for_account",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Address",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("network", keys.model_fields.NetworkField()),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="addresses",
                        to="keys.key",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(models.F("key"), models.F("network"), name="address_once_in_key")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="module",
            constraint=models.UniqueConstraint(models.F("api"), models.F("slug"), name="module_slug_unique_in_api"),
        ),
        migrations.AddConstraint(
            model_name="keymodule",
            constraint=models.UniqueConstraint(models.F("key"), models.F("module"), name="module_granted_once_to_key"),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                models.F("account"),
                models.OrderBy(models.F("created_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                name="key_list",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(("public_id__regex", "^[0-9A-Za-z]{12}$")),
                name="key_public_id_base62",
            ),
        ),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.UniqueConstraint(
                models.F("module"),
                models.F("method"),
                models.F("template"),
                models.F("conditions"),
                name="route_unique_in_module",
            ),
        ),
        migrations.AddConstraint(
            model_name="route",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "method",
                        django.db.models.functions.text.Upper(models.F("method")),
                    )
                ),
                name="route_method_upper_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="secret",
            constraint=models.UniqueConstraint(
                models.F("key"),
                condition=models.Q(("retires_at", None)),
                name="key_has_one_current_secret",
            ),
        ),
    ]
