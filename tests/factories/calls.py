"""Rows of the API log for tests, written as the gateway writes them; those whose time a test chooses, or what a proxy
said of them, as the owner, because the application may not."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import psycopg
from django.db import connection
from django.db.models import Value
from django.db.models.functions import Concat
from psycopg import ClientCursor

from accounts.models import Account
from audit.calls.insert import BATCH_COLUMNS
from core.request_id import generate_request_id
from keys.models import Api
from tests.gateways import conninfo

USUAL: dict[str, Any] = {
    "api": "billing", "key_id": "0123456789ab", "key_name": "Worker", "owner": "Alice", "credential": "bearer",
    "method": "GET", "host": "api.example", "path": "/customers", "query": "", "module": "customers",
    "client_address": "203.0.113.8", "decision": "allowed", "reason": "", "rule": "GET /customers", "mask": False,
    "hlr": False, "proxy": "nginx", "user_agent": "curl/8.0", "folded": 1, "old_secret": False,
}  # fmt: skip
SOME = 100_000
AS_OWNER = """
    CREATE OR REPLACE FUNCTION tests_as_owner(statement text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
    $$ BEGIN EXECUTE statement; END $$
"""


def as_owner(statement: str, values: Any = None) -> None:
    """Run it with the owner's rights, in the test's own transaction."""
    with connection.cursor() as cursor:
        # Not to_regprocedure(): this session would remember that there was none.
        cursor.execute("SELECT FROM pg_proc WHERE proname = 'tests_as_owner'")
        if cursor.fetchone() is None:
            with psycopg.connect(conninfo("maintenance"), autocommit=True) as owner:
                owner.execute(AS_OWNER)
        bound = ClientCursor(cursor.connection).mogrify(statement, values) if values else statement
        cursor.execute("SELECT tests_as_owner(%s)", [bound])


def empty_sums() -> None:
    """Delete the sums of calls that other tests committed, for the test's own transaction."""
    for table in ("audit_rollup", "audit_rollup_total"):
        as_owner(f"DELETE FROM {table}")


def a_call(account: Account | None, /, *, time: datetime | None = None, **columns: Any) -> uuid.UUID:
    """Log a call, allowed and of a key of `account` unless said otherwise; return its request ID."""
    request_id = uuid.UUID(generate_request_id())
    row = USUAL | {
        "request_id": request_id,
        "account_id": account.pk if account else None,
        "account": account.slug if account else "",
    }
    row |= columns | ({"time": time} if time else {})
    statement = f"INSERT INTO audit_call ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})"
    if row.keys() - BATCH_COLUMNS.keys():
        as_owner(statement, list(row.values()))
    else:
        with connection.cursor() as cursor:
            cursor.execute(statement, list(row.values()))
    return request_id


def more_calls(request_id: uuid.UUID, count: int, user_agent: str = "curl/8.0") -> None:
    """`count` calls like that one, each a second before the one before."""
    columns = ", ".join(USUAL.keys() - {"user_agent"})
    # Some at a time: the application's statements may not take for ever.
    for first in range(1, count + 1, SOME):
        as_owner(
            f"INSERT INTO audit_call (account_id, account, {columns}, user_agent, request_id, time) "
            f"SELECT account_id, account, {columns}, %s, gen_random_uuid(), time - n * interval '1 second' "
            "FROM audit_call, generate_series(%s, %s) AS n WHERE request_id = %s",
            [user_agent, first, min(first + SOME - 1, count), request_id],
        )


def rename_apis() -> None:
    """Let the slugs of all APIs end in `-new`, so that the log, to which other tests have added and nothing is deleted
    from, has no call of them."""
    Api.objects.update(slug=Concat("slug", Value("-new")))
