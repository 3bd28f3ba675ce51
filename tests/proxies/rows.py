"""The API log's rows of the calls that a test made."""

from __future__ import annotations

import json

from django.db import connection

from tests.proxies.client import Answer


def row(answer: Answer) -> dict[str, object]:
    """The log's row of a call."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(c) FROM audit_call c WHERE request_id = %s", [answer.header("X-Request-Id")])
        [(found,)] = cursor.fetchall()
        return json.loads(found) if isinstance(found, str) else found


def count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_call")
        return cursor.fetchone()[0]
