"""Models of keys, their secrets and their restrictions."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.db.models.functions import Coalesce, Lower, Right

from accounts.models import Account
from keys.crypto.secrets import mask_token
from keys.model_fields import NetworkField
from keys.models.apis import Api, Module
from keys.models.ip_lists import IpList
from keys.rotation_schedule import Overlap, RotationSchedule


class Key(models.Model):
    """One credential holder of one API in one account. Deletion keeps the row, so that its API ID is never reused."""

    public_id = models.CharField("API ID", max_length=12, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, related_name="keys")
    api = models.ForeignKey(Api, models.PROTECT, related_name="keys")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="keys")
    name = models.CharField(max_length=200)
    # A copy of the name where the policy makes it the username of HTTP Basic; else empty.
    username = models.CharField(max_length=200, blank=True, default="")
    fields = models.JSONField(default=dict)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True)
    all_modules = models.BooleanField(default=True)
    modules = models.ManyToManyField(Module, through="KeyModule", related_name="keys")
    ip_lists = models.ManyToManyField(IpList, through="KeyIpList", related_name="keys")
    mask_phone = models.BooleanField(default=False)
    hlr_lookup = models.BooleanField(default=False)
    recordings = models.BooleanField(default=False)
    # How often the secret is changed by itself, and how long the old one then works (keys.rotation_schedule).
    rotation_days = models.PositiveSmallIntegerField(null=True)
    rotation_overlap = models.CharField(max_length=4, blank=True, default="", db_default="")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        # For sorting, filtering and searching the list. The full-text indexes on the name are in keys/sql/search.sql.
        indexes: ClassVar = [
            models.Index(fields=["account", "created_at", "id"], name="key_by_creation", condition=Q(deleted_at=None)),
            models.Index("account", Lower("name"), "id", name="key_by_name", condition=Q(deleted_at=None)),
            models.Index(fields=["account", "api"], name="key_by_api", condition=Q(deleted_at=None)),
            models.Index(fields=["account", "api"], name="key_deleted_by_api", condition=Q(deleted_at__isnull=False)),
            models.Index(fields=["account", "expires_at"], name="key_by_expiry", condition=Q(deleted_at=None)),
            models.Index(
                fields=["account"],
                name="key_by_rotation",
                condition=Q(deleted_at=None, rotation_days__isnull=False),
            ),
            models.Index(fields=["account"], name="key_disabled", condition=Q(deleted_at=None, enabled=False)),
            models.Index("account", Right("public_id", 4), name="key_by_last4", condition=Q(deleted_at=None)),
            models.Index(Right("public_id", 4), name="key_everywhere_by_last4", condition=Q(deleted_at=None)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(public_id__regex=r"^[0-9A-Za-z]{12}$"), name="key_public_id_base62"),
            models.UniqueConstraint(
                fields=["account", "api", "username"],
                condition=Q(deleted_at=None) & ~Q(username=""),
                name="username_unique_among_live_keys",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.public_id})"

    @property
    def scheduled_rotation(self) -> RotationSchedule | None:
        overlap = self.rotation_overlap
        return None if self.rotation_days is None else RotationSchedule(self.rotation_days, Overlap(overlap))

    @property
    def masked(self) -> str:
        return mask_token(settings.TOKEN_PREFIX, self.public_id)


# Sorts before every real time: replaces NULL in comparisons.
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class KeyListing(models.Model):
    """Denormalised sort columns of the list of keys, one row per live key; no decision reads it.

    Triggers maintain it (keys/sql/listing.sql), so that every sort of the list is an index scan, whatever the size of
    the account.
    """

    key = models.OneToOneField(Key, models.CASCADE, primary_key=True, related_name="listing")
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    owner_name = models.CharField(max_length=64)  # lower case
    secret_made_at = models.DateTimeField()
    # The last allowed call with any secret of the key, deleted ones included.
    used_at = models.DateTimeField(null=True)
    used_from = models.GenericIPAddressField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "owner_name", "key"], name="key_listing_by_owner"),
            models.Index(fields=["account", "secret_made_at", "key"], name="key_listing_by_age"),
            models.Index("account", Coalesce("used_at", Value(NEVER)), "key", name="key_listing_by_use"),
        ]

    def __str__(self) -> str:
        return f"listing of key {self.key_id}"


class KeyModule(models.Model):
    """A module granted to a key that does not have all modules."""

    key = models.ForeignKey(Key, models.CASCADE, related_name="grants")
    module = models.ForeignKey(Module, models.CASCADE, related_name="+")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("key", "module", name="module_granted_once_to_key")]

    def __str__(self) -> str:
        return f"{self.module_id} to {self.key_id}"


class KeyIpList(models.Model):
    """An IP list whose enabled entries admit calls with the key. A list in use cannot be deleted."""

    key = models.ForeignKey(Key, models.CASCADE, related_name="list_grants")
    ip_list = models.ForeignKey(IpList, models.PROTECT, related_name="uses")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("key", "ip_list", name="ip_list_once_in_key")]

    def __str__(self) -> str:
        return f"{self.ip_list_id} for {self.key_id}"


class Secret(models.Model):
    """What a client presents or signs with, stored as a keyed digest, and sealed where it must be readable again.

    The primary key is generated before the insert, because it is part of what the sealed form is bound to.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    key = models.ForeignKey(Key, models.CASCADE, related_name="secrets")
    digest = models.BinaryField()
    pepper_id = models.PositiveIntegerField()
    sealed = models.BinaryField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    retires_at = models.DateTimeField(null=True)
    # For an old secret: whether the first allowed use of the new one ends it early.
    ends_on_use = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            # At most one secret of a key is current. keys.services.rotation keeps at most one old secret that still
            # works.
            models.UniqueConstraint("key", condition=Q(retires_at=None), name="key_has_one_current_secret"),
        ]

    def __str__(self) -> str:
        return f"secret {self.id} of key {self.key_id}"


class Address(models.Model):
    """A key's own address entry. A key without entries and without IP lists accepts calls from every address."""

    key = models.ForeignKey(Key, models.CASCADE, related_name="addresses")
    network = NetworkField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("key", "network", name="address_once_in_key")]

    def __str__(self) -> str:
        return str(self.network)


class SecretUse(models.Model):
    """When and from which addresses a secret was last allowed; no decision reads it.

    The gateway writes it at most once a minute per secret.
    """

    # Deleted by a trigger with the secret (keys/sql/secret_use.sql).
    secret = models.OneToOneField(Secret, models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="use")
    used_at = models.DateTimeField()
    address = models.GenericIPAddressField()
    # The most recent addresses with the time of their last use. The database default serves gateways that were started
    # before the column existed.
    addresses = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))

    def __str__(self) -> str:
        return f"{self.secret_id} at {self.used_at:%Y-%m-%d %H:%M:%S}"


class Creation(models.Model):
    """The one-use token of a create form that was used, and the key that it created."""

    token = models.UUIDField(primary_key=True)
    key = models.OneToOneField(Key, models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"form {self.token}"
