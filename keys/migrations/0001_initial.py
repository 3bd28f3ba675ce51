"""APIs, keys, their secrets and restrictions; the epoch that every change which decides moves."""

from __future__ import annotations

import datetime
import uuid
from pathlib import Path

import django.db.models.deletion
import django.db.models.functions.comparison
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models

import keys.model_fields
from keys import epoch_triggers

SQL = Path(__file__).parents[1] / "sql"
FILES = ("epoch", "listing", "search", "nonces", "secret_use")


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Api",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=200)),
                ("document", models.JSONField()),
                ("policy", models.JSONField()),
                ("request_link", models.CharField(blank=True, db_default="", default="", max_length=200)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "verbose_name": "API",
                "verbose_name_plural": "APIs",
            },
        ),
        migrations.CreateModel(
            name="Key",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("public_id", models.CharField(max_length=12, unique=True, verbose_name="API ID")),
                ("name", models.CharField(max_length=200)),
                ("username", models.CharField(blank=True, default="", max_length=200)),
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
                        on_delete=django.db.models.deletion.PROTECT, related_name="keys", to="accounts.account"
                    ),
                ),
                (
                    "api",
                    models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="keys", to="keys.api"),
                ),
                (
                    "owner",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="keys", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "verbose_name": "API key",
                "verbose_name_plural": "API keys",
            },
        ),
        migrations.CreateModel(
            name="Secret",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("digest", models.BinaryField()),
                ("pepper_id", models.PositiveIntegerField()),
                ("sealed", models.BinaryField(null=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("retires_at", models.DateTimeField(null=True)),
                ("ends_on_use", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="IpList",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                ("description", models.CharField(blank=True, max_length=500)),
                ("version", models.PositiveIntegerField(default=1)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="ip_lists", to="accounts.account"
                    ),
                ),
            ],
            options={
                "verbose_name": "IP list",
                "verbose_name_plural": "IP lists",
            },
        ),
        migrations.CreateModel(
            name="IpListEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("network", keys.model_fields.NetworkField()),
                ("description", models.CharField(blank=True, max_length=200)),
                ("enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                (
                    "ip_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="entries", to="keys.iplist"
                    ),
                ),
            ],
            options={
                "verbose_name": "IP list entry",
                "verbose_name_plural": "IP list entries",
            },
        ),
        migrations.CreateModel(
            name="KeyListing",
            fields=[
                (
                    "key",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="listing",
                        serialize=False,
                        to="keys.key",
                    ),
                ),
                ("owner_name", models.CharField(max_length=64)),
                ("secret_made_at", models.DateTimeField()),
                ("used_at", models.DateTimeField(null=True)),
                ("used_from", models.GenericIPAddressField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Creation",
            fields=[
                ("token", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "key",
                    models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.key"),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Address",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("network", keys.model_fields.NetworkField()),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="addresses", to="keys.key"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyIpList",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "ip_list",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="uses", to="keys.iplist"
                    ),
                ),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="list_grants", to="keys.key"
                    ),
                ),
            ],
        ),
        migrations.AddField(
            model_name="key",
            name="ip_lists",
            field=models.ManyToManyField(related_name="keys", through="keys.KeyIpList", to="keys.iplist"),
        ),
        migrations.CreateModel(
            name="Module",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=64)),
                ("name", models.CharField(max_length=200)),
                ("number", models.PositiveIntegerField(null=True)),
                ("position", models.PositiveSmallIntegerField(default=0)),
                ("contained", models.JSONField(db_default=models.Value([], models.JSONField()), default=list)),
                (
                    "api",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="modules", to="keys.api"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KeyModule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="grants", to="keys.key"
                    ),
                ),
                (
                    "module",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to="keys.module"),
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
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("method", models.CharField(max_length=10)),
                ("template", models.CharField(max_length=500)),
                ("conditions", models.JSONField(default=dict)),
                ("adds_leads", models.BooleanField(default=False)),
                ("recording", models.BooleanField(default=False)),
                (
                    "module",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="routes", to="keys.module"
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
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="use",
                        serialize=False,
                        to="keys.secret",
                    ),
                ),
                ("used_at", models.DateTimeField()),
                ("address", models.GenericIPAddressField()),
                ("addresses", models.JSONField(db_default=models.Value({}, models.JSONField()), default=dict)),
            ],
        ),
        migrations.AddField(
            model_name="secret",
            name="key",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="secrets", to="keys.key"),
        ),
        migrations.CreateModel(
            name="Enablement",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="enablements", to="accounts.account"
                    ),
                ),
                (
                    "api",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="enablements", to="keys.api"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(models.F("account"), models.F("api"), name="api_enabled_once_for_account")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="iplist",
            constraint=models.UniqueConstraint(
                models.F("account"),
                django.db.models.functions.text.Lower("name"),
                name="ip_list_name_unique_in_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="iplistentry",
            constraint=models.UniqueConstraint(
                models.F("ip_list"), models.F("network"), name="network_once_in_ip_list"
            ),
        ),
        migrations.AddField(
            model_name="keylisting",
            name="account",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="+", to="accounts.account"
            ),
        ),
        migrations.AddConstraint(
            model_name="address",
            constraint=models.UniqueConstraint(models.F("key"), models.F("network"), name="address_once_in_key"),
        ),
        migrations.AddConstraint(
            model_name="keyiplist",
            constraint=models.UniqueConstraint(models.F("key"), models.F("ip_list"), name="ip_list_once_in_key"),
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
                condition=models.Q(("deleted_at", None)), fields=["account", "created_at", "id"], name="key_by_creation"
            ),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                models.F("account"),
                django.db.models.functions.text.Lower("name"),
                models.F("id"),
                condition=models.Q(("deleted_at", None)),
                name="key_by_name",
            ),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(condition=models.Q(("deleted_at", None)), fields=["account", "api"], name="key_by_api"),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                condition=models.Q(("deleted_at", None)), fields=["account", "expires_at"], name="key_by_expiry"
            ),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                condition=models.Q(("deleted_at", None), ("enabled", False)), fields=["account"], name="key_disabled"
            ),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                models.F("account"),
                django.db.models.functions.text.Right("public_id", 4),
                condition=models.Q(("deleted_at", None)),
                name="key_by_last4",
            ),
        ),
        migrations.AddIndex(
            model_name="key",
            index=models.Index(
                django.db.models.functions.text.Right("public_id", 4),
                condition=models.Q(("deleted_at", None)),
                name="key_everywhere_by_last4",
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.CheckConstraint(
                condition=models.Q(("public_id__regex", "^[0-9A-Za-z]{12}$")), name="key_public_id_base62"
            ),
        ),
        migrations.AddConstraint(
            model_name="key",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at", None), models.Q(("username", ""), _negated=True)),
                fields=("account", "api", "username"),
                name="username_unique_among_live_keys",
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
                condition=models.Q(("method", django.db.models.functions.text.Upper(models.F("method")))),
                name="route_method_upper_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="secret",
            constraint=models.UniqueConstraint(
                models.F("key"), condition=models.Q(("retires_at", None)), name="key_has_one_current_secret"
            ),
        ),
        migrations.AddIndex(
            model_name="keylisting",
            index=models.Index(fields=["account", "owner_name", "key"], name="key_listing_by_owner"),
        ),
        migrations.AddIndex(
            model_name="keylisting",
            index=models.Index(fields=["account", "secret_made_at", "key"], name="key_listing_by_age"),
        ),
        migrations.AddIndex(
            model_name="keylisting",
            index=models.Index(
                models.F("account"),
                django.db.models.functions.comparison.Coalesce(
                    "used_at", models.Value(datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.UTC))
                ),
                models.F("key"),
                name="key_listing_by_use",
            ),
        ),
        *(migrations.RunSQL((SQL / f"{name}.sql").read_text()) for name in FILES),
        migrations.RunSQL(";\n".join(epoch_triggers.build_statements(*epoch_triggers.WATCHED))),
    ]
