"""Migrations while calls are answered: timeouts of `migrate`, and operations that wait or work long without a lock that
blocks calls. tests/guards/migration_linter.py refuses what would block them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.contrib.postgres import operations
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations.base import Operation

# A statement of a migration that waits this long for a lock gives up, because every call behind it waits too. Together
# with the time that it may run once it has the lock, it ends within the 2 seconds that the proxies wait.
LOCK_TIMEOUT_MS = 500
STATEMENT_TIMEOUT_MS = 1000

INDEX_IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)"
# The partitions of a table that have no part of an index of it.
PARTITIONS_WITHOUT_INDEX = """
    SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf AND NOT EXISTS (
        SELECT FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid
        WHERE inhparent = to_regclass(%s) AND indrelid = relid
    ) ORDER BY 1
"""


@contextmanager
def timeouts(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Within, the session has the timeouts of migrations."""
    _set_timeouts(connection, LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS)
    try:
        yield
    finally:
        # A connection that is lost has none.
        with suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
            cursor.execute("RESET statement_timeout")


@contextmanager
def without_timeouts(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Within, statements may wait and run for any time: for those alone whose locks block no call. After an error they
    may still; `migrate` sets the timeouts again before it goes on."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')")
        before = cursor.fetchone()
    assert before is not None
    _set_timeouts(connection, 0, 0)
    yield
    _set_timeouts(connection, *before)


def _set_timeouts(connection: BaseDatabaseWrapper, lock: int | str, statement: int | str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false)",
            [str(lock), str(statement)],
        )


class AddIndexConcurrently(operations.AddIndexConcurrently):
    """Django's, for a table of millions of rows. It may be run again after an interruption, which leaves an invalid
    index: that one is made anew. The migration is not atomic."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with without_timeouts(schema_editor.connection):
            if not _drop_invalid(schema_editor, schema_editor.quote_name(self.index.name)):
                super().database_forwards(app_label, schema_editor, from_state, to_state)


class _IndexBySql(Operation):
    """An operation on an index of a table made by SQL, outside of a transaction."""

    reduces_to_sql = True
    reversible = False
    atomic = False

    def state_forwards(self, app_label: str, state: Any) -> None:
        """No model has these tables' indexes."""


class AddPartitionedIndexConcurrently(_IndexBySql):
    """An index of the API log, or of another partitioned table made by SQL, for which PostgreSQL has no CONCURRENTLY:
    first concurrently on each partition, then on the table, which takes them over without reading them. May be run
    again after an interruption. The migration is not atomic.

    `definition` is what follows the table's name: `(account_id, "time" DESC)` or `USING brin ("time")`.
    """

    def __init__(self, table: str, name: str, definition: str) -> None:
        self.table, self.name, self.definition = table, name, definition

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        self._create_on_partitions(schema_editor)
        schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {self.name} ON ONLY {self.table} {self.definition}")
        # Also of a partition that was made meanwhile. Those made from now on have it from the table.
        for index in self._create_on_partitions(schema_editor):
            schema_editor.execute(f"ALTER INDEX {self.name} ATTACH PARTITION {index}")

    def describe(self) -> str:
        return f"Concurrently create index {self.name} on {self.table} and its partitions"

    def _create_on_partitions(self, schema_editor: BaseDatabaseSchemaEditor) -> list[str]:
        """Create the index on each partition that has none, and return their names."""
        indexes = []
        with without_timeouts(schema_editor.connection):
            for partition in _fetch_column(schema_editor, PARTITIONS_WITHOUT_INDEX, self.table, self.name):
                # PostgreSQL cuts names at 63 bytes.
                index = f"{partition}{self.name.removeprefix(self.table)}"[:63]
                indexes.append(index)
                if not _drop_invalid(schema_editor, index):
                    schema_editor.execute(f"CREATE INDEX CONCURRENTLY {index} ON {partition} {self.definition}")
        return indexes


class ReplaceIndexConcurrently(_IndexBySql):
    """Create an index of a table made by SQL, then drop the one that it replaces. May be run again after an
    interruption. The migration is not atomic.

    `definition` is what follows the table's name: `(key_id, hour) INCLUDE (calls)`.
    """

    def __init__(self, table: str, old: str, name: str, definition: str) -> None:
        self.table, self.old, self.name, self.definition = table, old, name, definition

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with without_timeouts(schema_editor.connection):
            if not _drop_invalid(schema_editor, self.name):
                schema_editor.execute(f"CREATE INDEX CONCURRENTLY {self.name} ON {self.table} {self.definition}")
            schema_editor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {self.old}")

    def describe(self) -> str:
        return f"Concurrently replace index {self.old} of {self.table} by {self.name}"


class ValidateConstraint(operations.ValidateConstraint):
    """Django's: reads the whole table, beside reads and writes, to validate a constraint that AddConstraintNotValid
    added."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        with without_timeouts(schema_editor.connection):
            super().database_forwards(app_label, schema_editor, from_state, to_state)


def _drop_invalid(schema_editor: BaseDatabaseSchemaEditor, index: str) -> bool:
    """Return whether the index is there and valid; drop one that an interruption left."""
    for is_valid in _fetch_column(schema_editor, INDEX_IS_VALID, index):
        if not is_valid:
            schema_editor.execute(f"DROP INDEX CONCURRENTLY {index}")
        return bool(is_valid)
    return False


def _fetch_column(schema_editor: BaseDatabaseSchemaEditor, query: str, *parameters: str) -> list[Any]:
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return [value for (value,) in cursor.fetchall()]
