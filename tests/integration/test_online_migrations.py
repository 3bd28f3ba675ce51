"""`migrate` while calls are answered: it gives way to them, goes on where it was interrupted, and leaves later versions
alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections, migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from psycopg import Connection, connect, errors

from audit.calls import partitions
from config.management.commands import migrate
from core.online_migrations import AddIndexConcurrently, AddPartitionedIndexConcurrently, ReplaceIndexConcurrently
from core.request_id import generate_request_id
from tests.factories.calls import USUAL
from tests.gateways import conninfo

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
INDEX = models.Index(fields=["name"], name="planted_index")


def fetch(query: str) -> list[Any]:
    with connections["maintenance"].cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def execute(*statements: str) -> None:
    with connections["maintenance"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def planted(monkeypatch: pytest.MonkeyPatch, *operations: Operation) -> Iterator[None]:
    """Within, the last migration of audit is followed by another one."""
    load = MigrationLoader.load_disk

    def load_with_planted(loader: MigrationLoader) -> None:
        load(loader)
        last = max(name for app, name in loader.disk_migrations if app == "audit")
        attributes = {"operations": operations, "dependencies": [("audit", last)]}
        kind = type("Migration", (migrations.Migration,), attributes)
        loader.disk_migrations["audit", "9999_planted"] = kind("9999_planted", "audit")

    monkeypatch.setattr(MigrationLoader, "load_disk", load_with_planted)
    try:
        yield
    finally:
        execute("DELETE FROM django_migrations WHERE name = '9999_planted'")


def insert_call(gateway: Connection[Any]) -> None:
    row = USUAL | {"request_id": generate_request_id(), "account": ""}
    gateway.execute(
        f"INSERT INTO audit_call ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", list(row.values())
    )


def test_calls_go_before_a_migration_that_does_not_get_its_lock(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export reads the log, and calls are logged that wait behind the migration, which waits for the export."""
    inserted, timeouts, said = 0, [], ""
    [(before,)] = fetch("SELECT count(*) FROM audit_call")
    note = migrations.RunPython(lambda _, editor: timeouts.append(read_timeouts(editor)))
    column = migrations.RunSQL("ALTER TABLE audit_call ADD COLUMN planted text")
    with connect(conninfo()) as export, planted(monkeypatch, note, column):
        export.execute("SELECT count(*) FROM audit_call")
        migration = threading.Thread(target=run_migrate)
        with connect(conninfo(), autocommit=True) as gateway:
            migration.start()
            while migration.is_alive():
                insert_call(gateway)
                inserted += 1
                said += capsys.readouterr().err
                if "trying again" in said:
                    export.rollback()
        migration.join()
        try:
            assert fetch("SELECT count(*) FROM audit_call WHERE planted IS NULL") == [(before + inserted,)]
        finally:
            execute("ALTER TABLE audit_call DROP COLUMN IF EXISTS planted")
    assert "canceling statement due to lock timeout: trying again (1 of 100).\n" in said
    # A call waits for both at most, within the 2 s of the proxies; how long that took depends on the machine.
    assert len(timeouts) > 1
    assert all(lock and statement and lock + statement < 2 for lock, statement in timeouts)


def read_timeouts(editor: BaseDatabaseSchemaEditor) -> tuple[float, float]:
    """Return how long a statement may wait for a lock and how long it may run, in seconds; 0 is for ever."""
    with editor.connection.cursor() as cursor:
        cursor.execute(
            "SELECT date_part('epoch', current_setting(name)::interval) FROM unnest(%s::text[]) AS name",
            [["lock_timeout", "statement_timeout"]],
        )
        [lock], [statement] = cursor.fetchall()
    return lock, statement


def run_migrate() -> None:
    """In a thread, whose connections nobody else closes."""
    try:
        call_command("migrate", verbosity=0)
    finally:
        connections.close_all()


def test_a_migration_that_runs_too_long_is_given_up_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "MAX_STATEMENT_TRIES", 2)
    monkeypatch.setattr(migrate, "MAX_PAUSE_SECONDS", 0)
    with planted(monkeypatch, migrations.RunSQL("SELECT pg_sleep(1.2)")):
        with pytest.raises(CommandError, match=r"abandoned after 2 attempts: .* statement timeout.*--without-timeouts"):
            call_command("migrate", verbosity=0)
        call_command("migrate", verbosity=0, without_timeouts=True)
        assert fetch("SELECT count(*) FROM django_migrations WHERE name = '9999_planted'") == [(1,)]


def test_the_version_before_does_not_migrate_what_a_later_one_has_migrated() -> None:
    execute("INSERT INTO django_migrations (app, name, applied) VALUES ('audit', '9999_later', now())")
    try:
        with pytest.raises(CommandError, match=r"later version has migrated the database \(audit.9999_later\)"):
            call_command("migrate", verbosity=0)
    finally:
        execute("DELETE FROM django_migrations WHERE name = '9999_later'")


def create_index(operation: Operation) -> None:
    before = MigrationLoader(None).project_state()
    after = before.clone()
    operation.state_forwards("keys", after)
    with connections["maintenance"].schema_editor(atomic=False) as editor:
        operation.database_forwards("keys", editor, before, after)


def interrupt(statement: str) -> None:
    """Leave an invalid index, as a lock timeout does when a transaction is older than the index."""
    with connect(conninfo()) as older, connect(conninfo("maintenance"), autocommit=True) as owner:
        older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        older.execute("SELECT count(*) FROM audit_call, keys_key, audit_rollup")
        owner.execute("SET lock_timeout = 20")
        with pytest.raises(errors.LockNotAvailable):
            owner.execute(statement)


def test_an_interrupted_index_is_made_anew() -> None:
    interrupt("CREATE INDEX CONCURRENTLY planted_index ON keys_key (name)")
    is_valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'planted_index'::regclass"
    assert fetch(is_valid) == [(False,)]
    try:
        for _ in range(2):
            create_index(AddIndexConcurrently("key", INDEX))
            assert fetch(is_valid) == [(True,)]
    finally:
        execute("DROP INDEX planted_index")


def test_an_index_takes_the_place_of_another_also_when_it_was_interrupted() -> None:
    execute("CREATE INDEX planted_old ON audit_rollup (api)")
    interrupt("CREATE INDEX CONCURRENTLY planted_new ON audit_rollup (api, hour)")
    names = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid::regclass::text ~ '^planted'"
    assert sorted(fetch(names)) == [("planted_new", False), ("planted_old", True)]
    try:
        for _ in range(2):
            create_index(ReplaceIndexConcurrently("audit_rollup", "planted_old", "planted_new", "(api, hour)"))
            assert fetch(names) == [("planted_new", True)]
    finally:
        execute("DROP INDEX IF EXISTS planted_old", "DROP INDEX IF EXISTS planted_new")


def test_an_index_of_the_log_is_on_every_partition_old_and_new() -> None:
    month = min(partitions.list_partitions() - {"audit_call_default"})
    interrupt(f"CREATE INDEX CONCURRENTLY {month}_planted ON {month} (host)")
    try:
        for _ in range(2):
            create_index(AddPartitionedIndexConcurrently("audit_call", "audit_call_planted", "(host)"))
            assert list_indexed_partitions() == (True, partitions.list_partitions())
        # As every later month's is made.
        bounds = "FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')"
        execute("CREATE TABLE audit_call_2001_01 (LIKE audit_call INCLUDING ALL)")
        execute(f"ALTER TABLE audit_call ATTACH PARTITION audit_call_2001_01 {bounds}")
        assert list_indexed_partitions() == (True, partitions.list_partitions())
    finally:
        execute("DROP TABLE IF EXISTS audit_call_2001_01", "DROP INDEX audit_call_planted")


def list_indexed_partitions() -> tuple[bool, set[str]]:
    """Return whether the planted index is valid, and on which partitions it is."""
    ((is_valid,),) = fetch("SELECT indisvalid FROM pg_index WHERE indexrelid = 'audit_call_planted'::regclass")
    indexed = fetch(
        "SELECT indrelid::regclass::text FROM pg_inherits JOIN pg_index ON indexrelid = inhrelid "
        "WHERE inhparent = 'audit_call_planted'::regclass AND indisvalid"
    )
    return is_valid, {name for (name,) in indexed}
