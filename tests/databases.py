"""The tests' database on a server that somebody else runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from psycopg import sql


@contextmanager
def external_test_database(*, create: bool) -> Iterator[None]:
    """Point all connections at a new database test_<name>, and drop it afterwards."""
    if not create:
        yield
        return
    owner = connections["maintenance"]
    original = str(owner.settings_dict["NAME"])
    name = sql.Identifier(f"test_{original}")
    with owner.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name).as_string(None))
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(name).as_string(None))
    for connection in connections.all():
        connection.close()
        connection.settings_dict["NAME"] = f"test_{original}"
    try:
        yield
    finally:
        for connection in connections.all():
            connection.close()
            connection.settings_dict["NAME"] = original
        with owner.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name).as_string(None))
        owner.close()
