"""Databases that modules of tests have for themselves (tests/databases.py)."""

from __future__ import annotations

from contextlib import closing

import psycopg
import pytest

from tests.databases import migrated_database
from tests.gateways import conninfo


@pytest.mark.django_db(transaction=True)
def test_a_database_is_dropped_though_a_session_of_the_owner_is_open() -> None:
    with migrated_database("left_open"):
        left_open = psycopg.connect(conninfo("maintenance"), autocommit=True)
    with closing(left_open), pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    with psycopg.connect(conninfo("maintenance")) as owner:
        assert owner.execute("SELECT FROM pg_database WHERE datname LIKE 'left_open%'").fetchall() == []
