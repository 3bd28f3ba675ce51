"""What tests committed is deleted without leaving a connection open."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.db import connections

from tests import table_cleanup


@pytest.mark.django_db(transaction=True)
def test_a_commit_that_fails_leaves_no_connection_open() -> None:
    opened: list[psycopg.Connection[Any]] = []
    connect = psycopg.connect

    def remember(conninfo: str) -> psycopg.Connection[Any]:
        opened.append(connect(conninfo))
        return opened[-1]

    def violate(self: psycopg.Connection[Any]) -> None:
        raise psycopg.errors.ForeignKeyViolation

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(psycopg, "connect", remember)
        patched.setattr(psycopg.Connection, "commit", violate)
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            table_cleanup.empty_tables()
    assert [connection.closed for connection in opened] == [True] * table_cleanup.TRIES


@pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
def test_hours_sealed_in_the_database_of_all_tests_are_refused() -> None:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute("INSERT INTO audit_rollup VALUES (now(), NULL, 'billing', '', '', 1, 1)")
        try:
            with pytest.raises(AssertionError, match="a database of its own"):
                table_cleanup.empty_tables()
        finally:
            cursor.execute("DELETE FROM audit_rollup")
