"""Databases for tests: on a server that somebody else runs, and one that a module has for itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections
from psycopg import sql

from tests.gateways import conninfo
from tests.waiting import happens

# Of tests that run side by side each process has its own databases.
PART = os.environ.get("TEST_PART", "") + os.environ.get("PYTEST_XDIST_WORKER", "")
# What `migrate` makes, to be copied in a fraction of its time.
TEMPLATE = f"migrated{PART}"


@contextmanager
def external_test_database(*, create: bool) -> Iterator[None]:
    """Point all connections at a new database test_<name>, and drop it afterwards."""
    if not create:
        yield
        return
    with _new_database(f"test{PART}"):
        yield


@contextmanager
def template_of_present_database() -> Iterator[None]:
    """Within, `migrated_database` makes copies of the present database as it is now."""
    present = str(connections["maintenance"].settings_dict["NAME"])
    _create(TEMPLATE, template=present)
    try:
        yield
    finally:
        _drop(TEMPLATE)


@contextmanager
def migrated_database(prefix: str) -> Iterator[None]:
    """Within, all connections lead to a database <prefix>_<name> as `migrate` makes it, which is dropped afterwards."""
    with _new_database(prefix, template=TEMPLATE):
        yield


@contextmanager
def empty_database(prefix: str) -> Iterator[None]:
    """Within, all connections lead to an empty database <prefix>_<name>, which is dropped afterwards."""
    with _new_database(prefix):
        yield


@contextmanager
def _new_database(prefix: str, *, template: str | None = None) -> Iterator[None]:
    original = str(connections["maintenance"].settings_dict["NAME"])
    made = f"{prefix}_{original}"
    _create(made, template=template)
    _lead_to(made)
    try:
        yield
    finally:
        _lead_to(original)
        _drop(made)


def _lead_to(name: str) -> None:
    for connection in connections.all():
        connection.close()
        connection.settings_dict["NAME"] = name


def _create(name: str, *, template: str | None) -> None:
    # PostgreSQL copies only a database that nobody is connected to but the one who asks.
    for connection in connections.all():
        connection.close()
    _drop(name)
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
        sql.Identifier(name), sql.Identifier(template or "template1")
    )
    with _connect_as_owner() as owner:
        owner.execute(statement)


def _drop(name: str) -> None:
    sessions = "FROM pg_stat_activity WHERE datname = %s AND usename"
    with _connect_as_owner() as owner:
        # The owner may not end the sessions of another role, such as those of a gateway that is just ending.
        happens(lambda: not owner.execute(f"SELECT {sessions} <> current_user", [name]).fetchall())
        owner.execute(f"SELECT pg_terminate_backend(pid, 10_000) {sessions} = current_user", [name])
        # WITH (FORCE) fails where the owner may not end an autovacuum worker; without it the server ends that.
        owner.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def _connect_as_owner() -> psycopg.Connection[Any]:
    """Not Django's connection: a test that was interrupted may have left that one forbidden."""
    return psycopg.connect(conninfo("maintenance"), autocommit=True)
