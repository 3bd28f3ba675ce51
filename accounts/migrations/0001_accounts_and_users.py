"""Accounts, users and the count of wrong confirmations."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.text
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="User",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                ("last_login", models.DateTimeField(blank=True, null=True, verbose_name="last login")),
                ("email", models.EmailField(max_length=254, unique=True)),
                ("nickname", models.CharField(max_length=64)),
                (
                    "roles",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("administrator", "Administrator"),
                                ("account_reader", "Account Reader"),
                                ("auditor", "Auditor"),
                                ("support", "Support"),
                            ],
                            max_length=20,
                        ),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                (
                    "sessions_ended",
                    models.PositiveIntegerField(default=0, db_comment="one more ends every session there is"),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="ConfirmationAttempts",
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
                (
                    "wrong",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(),
                        db_comment="when, within the window, oldest first",
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "checking",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.DateTimeField(),
                        db_comment="tries whose password is being hashed",
                        default=list,
                        size=None,
                    ),
                ),
                ("locked_until", models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("slug", models.SlugField(max_length=64, unique=True)),
                ("name", models.CharField(max_length=200)),
                (
                    "status",
                    models.CharField(
                        choices=[("pending", "Pending"), ("active", "Active"), ("suspended", "Suspended")],
                        default="pending",
                        max_length=10,
                    ),
                ),
                ("mask_phone", models.BooleanField(default=False)),
                ("mask_digits", models.PositiveSmallIntegerField(default=4)),
                (
                    "mask_side",
                    models.CharField(
                        choices=[("first", "from the start"), ("last", "from the end")], default="last", max_length=5
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["pending", "active", "suspended"])), name="account_status"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("mask_side__in", ["first", "last"])), name="account_mask_side"
                    ),
                    models.CheckConstraint(condition=models.Q(("mask_digits__lte", 15)), name="account_mask_digits"),
                ],
            },
        ),
        migrations.AddField(
            model_name="user",
            name="account",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="users",
                to="accounts.account",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("email", django.db.models.functions.text.Lower(models.F("email")))),
                name="user_email_lower_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                models.F("account"),
                django.db.models.functions.text.Lower("nickname"),
                name="user_nickname_unique_in_account",
                violation_error_message="This nickname is taken in this account.",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("account__isnull", False),
                        ("roles__contained_by", ("administrator", "account_reader", "auditor")),
                    ),
                    models.Q(("account", None), ("roles__contained_by", ["support"])),
                    _connector="OR",
                ),
                name="user_support_has_no_account",
            ),
        ),
    ]
