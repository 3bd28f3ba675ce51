"""No migration holds up the calls that are answered while it runs, or breaks the version that answers them; and the
linter that says so notices each kind of migration that would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.postgres.operations import AddConstraintNotValid
from django.contrib.postgres.operations import AddIndexConcurrently as DjangosAddIndexConcurrently
from django.contrib.postgres.operations import ValidateConstraint as DjangosValidateConstraint
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import Q

from core.online_migrations import (
    AddIndexConcurrently,
    AddPartitionedIndexConcurrently,
    ReplaceIndexConcurrently,
    ValidateConstraint,
)
from tests.guards.migration_linter import SQUAWK, lint

OUR_APPS = ("accounts", "audit", "keys")

pytestmark = pytest.mark.skipif(not SQUAWK.exists(), reason="squawk is not installed (./test installs it)")


@pytest.fixture(scope="module")
def loader(django_db_setup: None, django_db_blocker: Any) -> Iterator[MigrationLoader]:
    """The migrations, beside a database in which no transaction is open: some run outside of one."""
    with django_db_blocker.unblock():
        yield MigrationLoader(None)


def list_migrations(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    """Yield all that follow an app's first one, which meets an empty database."""
    for app, name in sorted(loader.disk_migrations):
        if app in OUR_APPS and not loader.disk_migrations[app, name].initial:
            yield app, name


def test_every_migration_leaves_calls_alone(loader: MigrationLoader) -> None:
    found = {}
    for app, name in list_migrations(loader):
        state = loader.project_state((app, name), at_end=False)
        found[f"{app}.{name}"] = lint(loader.get_migration(app, name), state)
    assert found
    assert {name: faults for name, faults in found.items() if faults} == {}


def sql(text: str) -> list[Operation]:
    return [migrations.RunSQL(text)]


def add(field: models.Field[Any, Any]) -> list[Operation]:
    return [migrations.AddField("key", "colour", field)]


CHECK = models.CheckConstraint(condition=Q(name__gt=""), name="key_has_a_name")
INDEX = models.Index(fields=["name"], name="key_name_planted")
BAD: dict[str, tuple[str, bool, list[Operation]]] = {
    "index": ("require-concurrent-index-creation", True, [migrations.AddIndex("key", INDEX)]),
    "index by SQL": ("require-concurrent-index-creation", True, sql("CREATE INDEX planted ON audit_call (host)")),
    "drop of an index": ("require-concurrent-index-deletion", True, sql("DROP INDEX audit_call_key")),
    "NOT NULL without a default": ("ban-drop-default", True, add(models.TextField(default="red"))),
    "NOT NULL by SQL": ("adding-required-field", True, sql("ALTER TABLE keys_key ADD COLUMN colour text NOT NULL")),
    "a column made NOT NULL": (
        "adding-not-nullable-field",
        True,
        sql("ALTER TABLE keys_key ALTER COLUMN username SET NOT NULL"),
    ),
    "another type": ("changing-column-type", True, [migrations.AlterField("key", "name", models.CharField())]),
    "another type by SQL": (
        "changing-column-type",
        True,
        sql("ALTER TABLE audit_call ALTER COLUMN bytes TYPE numeric"),
    ),
    "another name": ("renaming-column", True, [migrations.RenameField("key", "name", "title")]),
    "another table name": ("renaming-table", True, [migrations.RenameModel("Key", "Credential")]),
    "drop of a column": ("ban-drop-column", True, [migrations.RemoveField("key", "hlr_lookup")]),
    "drop of a table": ("ban-drop-table", True, [migrations.DeleteModel("KeyListing")]),
    "foreign key": (
        "adding-foreign-key-constraint",
        True,
        add(models.ForeignKey("accounts.User", models.SET_NULL, null=True, related_name="+")),
    ),
    "check": ("constraint-missing-not-valid", True, [migrations.AddConstraint("key", CHECK)]),
    "unique": (
        "disallowed-unique-constraint",
        True,
        [migrations.AddConstraint("key", models.UniqueConstraint(fields=["name"], name="planted"))],
    ),
    "a default that is computed": (
        "adding-field-with-default",
        True,
        sql("ALTER TABLE audit_call ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid()"),
    ),
    "a generated column": (
        "adding-field-with-default",
        True,
        sql("ALTER TABLE audit_event ADD COLUMN n int GENERATED ALWAYS AS (length(body)) STORED"),
    ),
    "rewrite": ("rewrites-table", False, sql("VACUUM FULL audit_call_default")),
    "rewrite elsewhere": ("rewrites-table", True, sql("ALTER TABLE audit_event SET UNLOGGED")),
    "lock": ("locks-table", True, sql("LOCK TABLE audit_call IN SHARE MODE")),
    "rows": ("changes-rows", True, sql("UPDATE audit_call SET host = '' WHERE host IS NULL")),
    "rows in one transaction": ("atomic-python", True, [migrations.RunPython(migrations.RunPython.noop)]),
    "detached partition": (
        "require-concurrent-partition-detach",
        True,
        sql("ALTER TABLE audit_call DETACH PARTITION audit_call_default"),
    ),
    "ALTER without a lock timeout": (
        "sets-timeout",
        True,
        sql("SET lock_timeout = 0; ALTER TABLE audit_call ADD COLUMN referer text"),
    ),
    "Django's index, which meets the timeouts": (
        "not-repeatable",
        False,
        [DjangosAddIndexConcurrently("key", INDEX)],
    ),
    "Django's validation, which meets the timeouts": (
        "sets-timeout",
        True,
        [DjangosValidateConstraint("key", "key_listing_by_age")],
    ),
    "half a migration": ("not-repeatable", False, sql("ALTER TABLE keys_key ADD COLUMN colour text")),
}
GOOD: dict[str, tuple[bool, list[Operation]]] = {
    "index": (False, [AddIndexConcurrently("key", INDEX)]),
    "index of the log": (False, [AddPartitionedIndexConcurrently("audit_call", "audit_call_host", "(host)")]),
    "index in another's place": (
        False,
        [ReplaceIndexConcurrently("audit_rollup", "audit_rollup_key", "audit_rollup_key_api", "(key_id, api)")],
    ),
    "nullable column": (True, add(models.TextField(null=True))),
    "constant default of the database": (True, add(models.TextField(db_default="red"))),
    "constant default by SQL": (True, sql("ALTER TABLE audit_call ADD COLUMN referer text NOT NULL DEFAULT ''")),
    "check that is not valid yet": (True, [AddConstraintNotValid("key", CHECK)]),
    "rows in batches": (False, [migrations.RunPython(migrations.RunPython.noop)]),
    "new table": (
        True,
        [
            migrations.CreateModel(
                "Note",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("key", models.ForeignKey("keys.Key", models.CASCADE)),
                    ("text", models.TextField(db_index=True)),
                ],
            )
        ],
    ),
}


def plant(loader: MigrationLoader, operations: list[Operation], *, atomic: bool, **attributes: Any) -> list[str]:
    kind = type("Migration", (migrations.Migration,), {"operations": operations, "atomic": atomic} | attributes)
    return lint(kind("9999_planted", "keys"), loader.project_state())


@pytest.mark.quality(24)
@pytest.mark.parametrize("name", BAD)
def test_a_planted_migration_turns_the_linter_red(loader: MigrationLoader, name: str) -> None:
    rule, atomic, operations = BAD[name]
    faults = plant(loader, operations, atomic=atomic)
    assert rule in [fault.partition(":")[0] for fault in faults], faults


@pytest.mark.parametrize("name", GOOD)
def test_a_good_migration_is_let_through(loader: MigrationLoader, name: str) -> None:
    atomic, operations = GOOD[name]
    assert plant(loader, operations, atomic=atomic) == []


def test_a_check_is_validated_apart(loader: MigrationLoader) -> None:
    state = loader.project_state()
    AddConstraintNotValid("key", CHECK).state_forwards("keys", state)
    kind = type("Migration", (migrations.Migration,), {"operations": [ValidateConstraint("key", CHECK.name)]})
    assert lint(kind("9999_planted", "keys"), state) == []


def test_an_exception_has_its_reason_in_the_migration(loader: MigrationLoader) -> None:
    operations: list[Operation] = [migrations.RemoveField("key", "hlr_lookup")]
    assert plant(loader, operations, atomic=True)
    allowed = {"ban-drop-column": "no version since 0.3.0 reads it"}
    assert plant(loader, operations, atomic=True, allowed=allowed) == []


def test_linting_changes_nothing(loader: MigrationLoader) -> None:
    plant(loader, BAD["drop of a table"][2], atomic=True)
    assert "keys_keylisting" in connection.introspection.table_names()
