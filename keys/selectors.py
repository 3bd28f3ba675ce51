"""Reading keys for pages: with their status, their secret's age and last use, and what was changed when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, F, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Now

from audit import selectors
from keys.models import Key, Secret, SecretUse

EXPIRES_SOON = timedelta(days=14)
STATUSES = (
    ("active", "Active"),
    ("expires_soon", "Expires soon"),
    ("expired", "Expired"),
    ("disabled", "Disabled"),
)


def with_status(keys: QuerySet[Key]) -> QuerySet[Key]:
    """`status`: one of STATUSES, by the database's clock, as the gateway's."""
    status = Case(
        When(enabled=False, then=Value("disabled")),
        When(expires_at__lte=Now(), then=Value("expired")),
        When(expires_at__lte=Now() + Value(EXPIRES_SOON), then=Value("expires_soon")),
        default=Value("active"),
    )
    return keys.annotate(status=status)


def with_use(keys: QuerySet[Key]) -> QuerySet[Key]:
    """`secret_made_at` of the current secret; `used_at` and `used_from` of the last allowed call with any."""
    current = Secret.objects.filter(key=OuterRef("pk"), retires_at=None)
    used = SecretUse.objects.filter(secret__key=OuterRef("pk")).order_by(F("used_at").desc())
    return keys.annotate(
        secret_made_at=Subquery(current.values("created_at")[:1]),
        used_at=Subquery(used.values("used_at")[:1]),
        used_from=Subquery(used.values("address")[:1]),
    )


def for_page(keys: QuerySet[Key]) -> QuerySet[Key]:
    """All that a row of the list or a key's page shows, in a number of queries that does not grow with the rows."""
    related = keys.select_related("api", "owner").prefetch_related("addresses", "modules", "api__modules")
    # A document may be megabytes, and every row would bring its own.
    related = related.defer("api__document")
    return with_use(with_status(related))


@dataclass(frozen=True, slots=True)
class Edit:
    """One saved change of a key; `changes` is {field: [old, new]}."""

    at: datetime
    by: str
    changes: dict[str, list[Any]]


def last_edits(key: Key, count: int) -> list[Edit]:
    """The last edits of the key, oldest first."""
    events = selectors.events(key.account_id).filter(target_kind="key", target_id=key.public_id, name="key.edited")
    newest = events.order_by("-seq")[:count]
    return [Edit(event.at, event.actor, json.loads(event.body)["data"]["changes"]) for event in reversed(newest)]
