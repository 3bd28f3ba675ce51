"""Models of notices, their deliveries, and webhook endpoints. Only keys.notices.services writes them."""

from __future__ import annotations

import uuid
from typing import ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import Q

from keys.model_fields import NetworkField

MAX_URL_LENGTH = 500
MAX_ERROR_LENGTH = 300


class NoticeSwitch(models.Model):
    """Whether an account gets notices of a kind by mail and by webhook; without a row, by both."""

    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="+")
    kind = models.CharField(max_length=40)
    mail = models.BooleanField()
    webhook = models.BooleanField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("account", "kind", name="notice_switch_once_for_kind")]

    def __str__(self) -> str:
        return f"{self.kind} of account {self.account_id}"


class Endpoint(models.Model):
    """A URL of an account to which notices are POSTed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="webhook_endpoints")
    url = models.CharField(max_length=MAX_URL_LENGTH)
    enabled = models.BooleanField(default=True)
    # Since when notices are given up; the next one that is delivered ends it.
    failing_since = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("account", "url", name="endpoint_url_once_in_account")]

    def __str__(self) -> str:
        return f"endpoint {self.id} of account {self.account_id}"

    @property
    def host(self) -> str:
        """Host and port of the URL, which name it where its path, which may be a secret, must not stand."""
        return urlsplit(self.url).netloc

    @property
    def state(self) -> str:
        if not self.enabled:
            return "disabled"
        return "failing" if self.failing_since else "active"


class EndpointSecret(models.Model):
    """What an endpoint's notices are signed with. The primary key is part of what the sealed form is bound to."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="secrets")
    sealed = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)
    # None for the current secret; after a rotation notices are signed with the one before too, until then.
    retires_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint("endpoint", condition=Q(retires_at=None), name="endpoint_has_one_current_secret"),
        ]

    def __str__(self) -> str:
        return f"secret {self.id} of endpoint {self.endpoint_id}"


class Notice(models.Model):
    """Something that an account is told once: `subject` says what it is about, such as a key and its expiry."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    account = models.ForeignKey("accounts.Account", models.CASCADE, related_name="notices")
    # Of Kind, or one that Keyward itself sends (keys.notices.kinds).
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=200)
    # `data` of the webhook's body.
    data = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "created_at"], name="notice_by_time")]
        constraints: ClassVar = [
            models.UniqueConstraint("account", "kind", "subject", name="notice_once_about_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} about {self.subject}"


class Delivery(models.Model):
    """A notice to one recipient: a user by mail, or an endpoint. Waiting while it has a `next_attempt_at`."""

    notice = models.ForeignKey(Notice, models.CASCADE, related_name="deliveries")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, null=True, related_name="deliveries")
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    attempted_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    # Of the last attempt: what an endpoint answered, and why that is no delivery.
    status = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=MAX_ERROR_LENGTH, blank=True, default="")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at"], name="delivery_waiting", condition=~Q(next_attempt_at=None)),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(user=None) ^ Q(endpoint=None), name="delivery_has_one_recipient"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} of notice {self.notice_id}"

    @property
    def state(self) -> str:
        if self.delivered_at:
            return "delivered"
        return "waiting" if self.next_attempt_at else "given_up"


class KeyNetwork(models.Model):
    """A network that calls with a key were allowed from, and whether it is known: of the key's first calls, or
    acknowledged."""

    key = models.ForeignKey("keys.Key", models.CASCADE, related_name="seen_networks")
    network = NetworkField()
    known = models.BooleanField()
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint("key", "network", name="network_once_for_key")]

    def __str__(self) -> str:
        return f"{self.network} of key {self.key_id}"


class DetectionState(models.Model):
    """How far calls were looked at for notices, and the month whose unused grants were mailed. One row."""

    usage_until = models.DateTimeField(null=True)
    refusals_until = models.DateTimeField(null=True)
    unused_month = models.DateField(null=True)

    def __str__(self) -> str:
        return f"calls until {self.usage_until}"
