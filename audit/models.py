"""Models of the trail, the API log and the digests, read-only: audit/sql creates the tables, and triggers refuse
changes.

Rows hold text, not foreign keys, so that no change elsewhere affects them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Length, Now

from audit.trail.chain import format_instant

models.TextField.register_lookup(Length)


@models.GenericIPAddressField.register_lookup
class InNetwork(models.Lookup):
    """`address__in_network="203.0.113.0/24"`: PostgreSQL's `<<=`."""

    lookup_name = "in_network"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, column_params = self.process_lhs(compiler, connection)
        network, network_params = self.process_rhs(compiler, connection)
        return f"{column} <<= {network}::inet", (*column_params, *network_params)

    def get_db_prep_lookup(self, value: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        return "%s", (value,)


class Event(models.Model):
    """An event of the audit trail. `body` is the canonical JSON that the MAC covers; PostgreSQL generates the columns
    that repeat parts of it, NULL for null."""

    seq = models.BigIntegerField(primary_key=True)
    at = models.DateTimeField()
    body = models.TextField()
    key_id = models.IntegerField(db_comment="number of the AUDIT_KEYS key")
    prev = models.BinaryField()
    mac = models.BinaryField()
    name = models.TextField()
    account_id = models.BigIntegerField(null=True)
    number = models.BigIntegerField(
        null=True, db_comment="within the account, or among the installation's own events; without gaps"
    )
    actor_kind = models.TextField()
    actor_id = models.TextField()
    actor = models.TextField()
    target_kind = models.TextField(null=True)  # noqa: DJ001
    target_id = models.TextField(null=True)  # noqa: DJ001
    target = models.TextField(null=True)  # noqa: DJ001
    address = models.GenericIPAddressField(null=True)
    request_id = models.TextField(null=True)  # noqa: DJ001

    class Meta:
        managed = False
        db_table = "audit_event"
        verbose_name = "audit event"
        verbose_name_plural = "audit events"

    def __str__(self) -> str:
        return f"event {self.seq}"

    @property
    def position(self) -> str:
        """The event's position in a list, as `?after=` carries it."""
        return str(self.seq)


class Call(models.Model):
    """A call in the API log: a request that the gateway decided on, or several refusals aggregated (`folded`)."""

    request_id = models.UUIDField(primary_key=True)
    time = models.DateTimeField()
    account_id = models.BigIntegerField(null=True)
    account = models.TextField()
    api = models.TextField()
    key_id = models.TextField(db_comment="the key's API ID, empty when unknown")
    key_name = models.TextField()
    owner = models.TextField()
    credential = models.TextField()
    method = models.TextField()
    host = models.TextField()
    path = models.TextField()
    query = models.TextField()
    module = models.TextField()
    client_address = models.GenericIPAddressField(null=True)
    decision = models.TextField()
    reason = models.TextField()
    rule = models.TextField()
    mask = models.BooleanField()
    hlr = models.BooleanField()
    proxy = models.TextField()
    user_agent = models.TextField()
    status = models.IntegerField(null=True)
    duration_ms = models.FloatField(null=True)
    bytes = models.BigIntegerField(null=True)
    folded = models.IntegerField(db_comment="how many refusals this row stands for")
    old_secret = models.BooleanField(db_comment="whether the secret that matched was the old one of a changed key")

    class Meta:
        managed = False
        db_table = "audit_call"
        verbose_name = "API call"
        verbose_name_plural = "API calls"

    DECISIONS: ClassVar = [("allowed", "Allowed"), ("denied", "Denied")]

    def __str__(self) -> str:
        return f"call {self.request_id}: {self.decision}"

    @property
    def position(self) -> str:
        """The call's position in a list, as `?after=` carries it."""
        return f"{format_instant(self.time)}~{self.request_id}"

    @property
    def count(self) -> int:
        """`folded` under the name that pages and exports use."""
        return self.folded


class Usage(models.Model):
    """Calls with a key that are alike: from the same address, on the same route, with the same outcome. audit/usage
    derives the rows from the log; audit/sql/usage.sql describes the columns."""

    id = models.BigIntegerField(primary_key=True)
    account_id = models.BigIntegerField()
    key_id = models.TextField()
    api = models.TextField()
    client_address = models.GenericIPAddressField(null=True)
    credential = models.TextField()
    route = models.TextField()
    module = models.TextField()
    reason = models.TextField()
    old_secret = models.BooleanField()
    last_seen = models.DateTimeField()
    calls = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = "audit_usage"

    def __str__(self) -> str:
        return f"{self.calls} calls of {self.key_id} from {self.client_address}"


class Digest(models.Model):
    """A signed statement about an account's calls and events in some hours; `document` is the file for download."""

    id = models.BigIntegerField(primary_key=True)
    account_id = models.BigIntegerField()
    number = models.BigIntegerField()
    since = models.DateTimeField(null=True)
    until = models.DateTimeField()
    late_until = models.DateTimeField(null=True)
    last_event = models.BigIntegerField()
    document = models.TextField()

    class Meta:
        managed = False
        db_table = "audit_digest"

    def __str__(self) -> str:
        return f"digest {self.number} of account {self.account_id}"


class Unmatched(models.Model):
    """An access log entry whose call is not in the API log, or came too late. The newest are kept; the former are
    retried."""

    request_id = models.UUIDField(primary_key=True)
    status = models.IntegerField()
    duration_ms = models.FloatField()
    bytes = models.BigIntegerField()
    arrived = models.DateTimeField(db_default=Now(), db_index=True)

    def __str__(self) -> str:
        return f"unmatched line {self.request_id}"
