"""Query sets of keys annotated with status, secret age, last use and the names of what they are granted."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from accounts.models import Account
from core.lists import MAX_ROWS_COUNTED
from keys.apis.policy import Policy
from keys.apis.policy_parsing import FLAGS
from keys.decision.containment import expand_contained
from keys.models import Address, Api, Creation, Key, KeyIpList, Secret

EXPIRES_SOON = timedelta(days=14)
MAX_OWNERS = 200
OWNERS = """
    SELECT nickname FROM accounts_user u
    WHERE account_id = %s AND EXISTS (SELECT FROM keys_key WHERE owner_id = u.id AND deleted_at IS NULL)
    ORDER BY lower(nickname) LIMIT %s
"""
MODULES = "SELECT api_id, slug, name, contained FROM keys_module WHERE api_id = ANY(%s) ORDER BY position, id"
STATUSES = (
    ("active", "Active"),
    ("expires_soon", "Expires soon"),
    ("expired", "Expired"),
    ("disabled", "Disabled"),
)


def build_status_condition(status: str) -> Q:
    """Return the condition for one of STATUSES, by the database's clock, as the gateway decides."""
    soon = Now() + Value(EXPIRES_SOON)
    return {
        "disabled": Q(enabled=False),
        "expired": Q(enabled=True, expires_at__lte=Now()),
        "expires_soon": Q(enabled=True, expires_at__gt=Now(), expires_at__lte=soon),
        "active": Q(enabled=True) & (Q(expires_at=None) | Q(expires_at__gt=soon)),
    }[status]


def build_restricted_condition() -> Q:
    """Return the condition for keys that are called from some addresses only."""
    entries = Q(Exists(Address.objects.filter(key=OuterRef("pk"))))
    return entries | Q(Exists(KeyIpList.objects.filter(key=OuterRef("pk"))))


def build_old_secret_condition() -> Q:
    """Return the condition for keys whose old secret still works."""
    return Q(Exists(Secret.objects.filter(key=OuterRef("pk"), retires_at__gt=Now())))


def with_status(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Annotate `status`, one of STATUSES."""
    return keys.annotate(status=Case(*(When(build_status_condition(name), then=Value(name)) for name, _ in STATUSES)))


def with_use(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Annotate `secret_made_at` of the current secret, and `used_at` and `used_from` of the last allowed call."""
    return keys.annotate(
        secret_made_at=F("listing__secret_made_at"), used_at=F("listing__used_at"), used_from=F("listing__used_from")
    )


def with_page_relations(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Load all that a key's page shows, in a number of queries that does not depend on the number of keys."""
    related = with_settings_relations(keys).select_related("account").prefetch_related("api__modules")
    return with_use(with_status(related))


def with_own_columns(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Load what a key's page shows of the key, its API and its owner, in one query."""
    return with_use(with_status(keys.select_related("api", "owner").defer("api__document")))


def with_settings_relations(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Load all that a key's settings consist of, in a number of queries that does not depend on the number of keys."""
    related = keys.select_related("api", "owner").prefetch_related("addresses", "ip_lists", "modules")
    # A document may be megabytes, and the join would repeat it in every row.
    return related.defer("api__document")


def with_names(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Annotate what a row shows, in one query: `module_slugs` of the granted, `networks` as text, `list_names`."""
    return with_use(with_status(keys)).annotate(
        module_slugs=_list_texts(
            "m.slug FROM keys_keymodule g JOIN keys_module m ON m.id = g.module_id"
            " WHERE g.key_id = keys_key.id ORDER BY m.position, m.id"
        ),
        networks=_list_texts("network::text FROM keys_address a WHERE a.key_id = keys_key.id ORDER BY a.id"),
        list_names=_list_texts(
            "l.name FROM keys_keyiplist g JOIN keys_iplist l ON l.id = g.ip_list_id"
            " WHERE g.key_id = keys_key.id ORDER BY l.name, l.id"
        ),
    )


def _list_texts(rows: str) -> RawSQL:
    # Plain SQL, because composing these takes Django longer than PostgreSQL takes to run them.
    return RawSQL(f"ARRAY(SELECT {rows})", (), ArrayField(TextField()))  # noqa: S611 - constant texts


def with_file_columns(keys: QuerySet[Key]) -> QuerySet[Key]:
    """Load only the columns that an export needs."""
    columns = (
        *("created_at", "name", "public_id", "all_modules", "expires_at", "enabled", "fields"),
        *("rotation_days", "rotation_overlap", *FLAGS),
    )
    related = keys.select_related("api", "owner").only(*columns, "api__name", "owner__nickname", "owner__is_active")
    return with_names(related)


@dataclass(frozen=True, slots=True)
class ApiModules:
    """The modules of an API in order: {slug: name}, and {slug: all modules that it contains}."""

    names: dict[str, str]
    contained: dict[str, Collection[str]]

    def list_names(self, slugs: Iterable[str]) -> list[str]:
        """Return the names of these modules and of all that they contain."""
        all_slugs = expand_contained(slugs, self.contained)
        return [name for slug, name in self.names.items() if slug in all_slugs]


def get_modules_by_api(apis: Collection[int]) -> dict[int, ApiModules]:
    """Return the modules of these APIs by the API's primary key."""
    found = {api: ApiModules({}, {}) for api in apis}
    with connection.cursor() as cursor:
        # Plain SQL, as for the owners below.
        cursor.execute(MODULES, [list(apis)])
        for api, slug, name, contained in cursor.fetchall():
            found[api].names[slug] = name
            found[api].contained[slug] = json.loads(contained)
    return found


def list_owner_nicknames(account: Account) -> list[str]:
    """Return up to MAX_OWNERS nicknames of users who own keys, as suggestions for the filter."""
    with connection.cursor() as cursor:
        # Plain SQL, because composing this takes Django longer than PostgreSQL takes to run it.
        cursor.execute(OWNERS, [account.pk, MAX_OWNERS])
        return [nickname for (nickname,) in cursor.fetchall()]


def count_keys_by_api(keys: QuerySet[Key]) -> dict[int, int] | None:
    """Return the number of keys by the API's primary key; None if there are more than MAX_ROWS_COUNTED, as counting
    them would cost more in a larger account."""
    sql, params = keys.order_by().values("api_id")[: MAX_ROWS_COUNTED + 1].query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT api_id, count(*) FROM ({sql}) AS counted GROUP BY api_id", params)
        counts: dict[int, int] = dict(cursor.fetchall())
    return counts if sum(counts.values()) <= MAX_ROWS_COUNTED else None


def find_key_by_form_token(token: uuid.UUID, account_id: int) -> Key | None:
    """Return the key that a create form of the account created, or None if it was not used."""
    used = Creation.objects.select_related("key").filter(token=token, key__account=account_id).first()
    return used.key if used else None


def find_username_problem(account: Account, api: Api, rules: Policy, username: str) -> str:
    """Return why no key of the account and API can get this username: a live key has it; empty if one can."""
    same = Key.objects.filter(account=account, api=api, username=username, deleted_at=None)
    if not username or not same.exists():
        return ""
    return f"{rules.name_label} {username} is already used by another {rules.noun}. Choose another."
