"""The API log's rows of the calls that a test made."""

from __future__ import annotations

import json

from django.db import connection

from tests.proxies.client import Answer


def row(answer: Answer) -> dict[str, object]:
    """Return the log's row of a call. None is written, and nothing let through, while the log cannot be."""
    assert answer.header("X-Refusal") != "unavailable", answer
    return row_of(answer.header("X-Request-Id"))


def row_of(request_id: str | None) -> dict[str, object]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(c) FROM audit_call c WHERE request_id = %s", [request_id])
        [(found,)] = cursor.fetchall()
        return json.loads(found) if isinstance(found, str) else found


def count() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM audit_call")
        return cursor.fetchone()[0]
