"""Databases for tests: on a server that somebody else runs, and one that a module has for itself."""

from __future__ import annotations

import os
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
    # Of tests that run side by side each process has its own.
    with new_database("test" + os.environ.get("TEST_PART", "") + os.environ.get("PYTEST_XDIST_WORKER", "")):
        yield


@contextmanager
def new_database(prefix: str) -> Iterator[None]:
    """Within, all connections lead to an empty database <prefix>_<name>, which is dropped afterwards."""
    owner = connections["maintenance"]
    original = str(owner.settings_dict["NAME"])
    made = f"{prefix}_{original}"
    name = sql.Identifier(made)
    with owner.cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name).as_string(None))
        cursor.execute(sql.SQL("CREATE DATABASE {}").format(name).as_string(None))
    for connection in connections.all():
        connection.close()
        connection.settings_dict["NAME"] = made
    try:
        yield
    finally:
        for connection in connections.all():
            connection.close()
            connection.settings_dict["NAME"] = original
        with owner.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name).as_string(None))
        owner.close()
