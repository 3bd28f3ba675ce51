"""Accounts, users, and what signing in keeps."""

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
                    models.PositiveIntegerField(db_comment="one more ends every session there is", default=0),
                ),
                (
                    "reset_links",
                    models.PositiveIntegerField(
                        db_comment="one more ends every password-reset link there is", default=0
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
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
                ("second_factor_required", models.BooleanField(db_default=False, default=False)),
                (
                    "key_lifetime_days",
                    models.PositiveIntegerField(blank=True, db_comment="longest life of a new key", null=True),
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
                    models.CheckConstraint(
                        condition=models.Q(("key_lifetime_days__range", (1, 36500))), name="account_key_lifetime_days"
                    ),
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
        migrations.CreateModel(
            name="Invitation",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.EmailField(max_length=254)),
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
                ("inviter", models.CharField(max_length=254)),
                ("digest", models.BinaryField(db_comment="SHA-256 of the link's token", unique=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("expires_at", models.DateTimeField()),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="invitations", to="accounts.account"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="KnownAddress",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "user", "key", blank=True, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("key", models.CharField(db_comment="an IPv4 address, or the /64 of an IPv6 one", max_length=64)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
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
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                models.F("account"), models.F("email"), name="invitation_once_in_account"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("email", django.db.models.functions.text.Lower(models.F("email")))),
                name="invitation_email_lower_case",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("roles__contained_by", ("administrator", "account_reader", "auditor"))),
                name="invitation_roles_of_account",
            ),
        ),
    ]
