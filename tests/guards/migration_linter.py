"""Find what in a migration would hold up calls, or break the version that answers them meanwhile.

squawk judges the SQL: locks, rewrites and incompatible changes. This module judges what the SQL does not show: the
operations, and statements for which squawk has no rule.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.contrib.postgres import operations as postgres
from django.db import connection
from django.db.migrations import Migration, RunPython, RunSQL, SeparateDatabaseAndState
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

from core import online_migrations as online

SQUAWK = Path(sys.executable).with_name("squawk")
# Matters of taste, and what Django does by itself: transactions, and timeouts (below).
NOT_ASKED = (
    "prefer-bigint-over-int",
    "prefer-bigint-over-smallint",
    "prefer-identity",
    "prefer-robust-stmts",
    "prefer-text-field",
    "prefer-timestamp-tz",
    "require-timeout-settings",
    "transaction-nesting",
)
# `migrate` runs every migration so.
TIMEOUTS = f"SET lock_timeout = {online.LOCK_TIMEOUT_MS};\nSET statement_timeout = {online.STATEMENT_TIMEOUT_MS};\n"
STATEMENTS = {
    "rewrites-table": re.compile(r"\b(VACUUM\s+FULL|CLUSTER|SET\s+(TABLESPACE|LOGGED|UNLOGGED))\b", re.IGNORECASE),
    "locks-table": re.compile(r"^\s*(LOCK|TRUNCATE|REFRESH)\b", re.IGNORECASE | re.MULTILINE),
    "changes-rows": re.compile(r"^\s*(UPDATE|DELETE)\b", re.IGNORECASE | re.MULTILINE),
    "sets-timeout": re.compile(r"\b(lock|statement)_timeout\b", re.IGNORECASE),
}
ADVICE = {
    "rewrites-table": "rewriting a table blocks its reads and writes",
    "locks-table": "it waits for every statement on the table, and blocks those behind it",
    "changes-rows": "it locks every row that it changes until it ends: change them in batches, by RunPython",
    "sets-timeout": "`migrate` sets the timeouts; core/online_migrations.py has operations that work without",
    "not-repeatable": "a migration that is not atomic runs again after an interruption: use repeatable operations of "
    "core/online_migrations.py, or RunPython",
    "atomic-python": "it holds its locks until it ends: set atomic = False, and change rows in batches",
}
REPEATABLE = (
    online.AddIndexConcurrently,
    online.AddPartitionedIndexConcurrently,
    online.ReplaceIndexConcurrently,
    online.ValidateConstraint,
    RunPython,
)


def lint(migration: Migration, state: ProjectState) -> list[str]:
    """Return what is wrong with a migration that follows `state`, as `rule: why`. The migration's attribute `allowed`
    maps rules that it may break to the reason."""
    allowed = getattr(migration, "allowed", {})
    found = [*_check_operations(migration), *_check_sql(migration, state)]
    return [f"{rule}: {why}" for rule, why in dict(found).items() if rule not in allowed]


def collect_sql(migration: Migration, state: ProjectState) -> str:
    with connection.schema_editor(collect_sql=True, atomic=migration.atomic) as editor:
        migration.apply(state.clone(), editor, collect_sql=True)
    return "\n".join(editor.collected_sql)


def _check_operations(migration: Migration) -> Iterator[tuple[str, str]]:
    for operation in _flatten(migration.operations):
        if migration.atomic and isinstance(operation, RunPython):
            yield "atomic-python", ADVICE["atomic-python"]
        if not migration.atomic and not isinstance(operation, REPEATABLE):
            yield "not-repeatable", ADVICE["not-repeatable"]
        if isinstance(operation, postgres.ValidateConstraint) and not isinstance(operation, REPEATABLE):
            yield "sets-timeout", ADVICE["sets-timeout"]
        if isinstance(operation, RunSQL):
            text = re.sub(r"--.*", "", str(operation.sql))
            yield from ((rule, ADVICE[rule]) for rule, pattern in STATEMENTS.items() if pattern.search(text))


def _flatten(operations: Sequence[Operation]) -> Iterator[Operation]:
    for operation in operations:
        if isinstance(operation, SeparateDatabaseAndState):
            yield from _flatten(operation.database_operations)
        else:
            yield operation


def _check_sql(migration: Migration, state: ProjectState) -> Iterator[tuple[str, str]]:
    sql = TIMEOUTS + collect_sql(migration, state)
    command = [str(SQUAWK), "--reporter", "json", "--pg-version", "15", "--exclude", ",".join(NOT_ASKED)]
    if migration.atomic:
        command.append("--assume-in-transaction")
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    lines = sql.splitlines()
    for finding in json.loads(done.stdout):
        # The part of an index on a partitioned table itself, which holds no rows.
        if finding["rule_name"] == "require-concurrent-index-creation" and "ON ONLY" in lines[finding["line"]]:
            continue
        yield finding["rule_name"], finding["message"]
