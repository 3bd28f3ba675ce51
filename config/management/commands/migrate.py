"""`migrate` as the owner, and all that a database needs besides tables: privileges, partitions, presets."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations.exceptions import AmbiguityError
from django.db.migrations.executor import MigrationExecutor

from audit.calls import insert
from config import database_roles
from keys import apis

# A migration that does not get a lock in this time gives up, instead of blocking every query behind it.
LOCK_TIMEOUT_MS = 2000


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="maintenance")

    def handle(self, *args: Any, **options: Any) -> None:
        database = options["database"]
        if options["migration_name"]:
            self._refuse_to_go_back(options["app_label"], options["migration_name"], database)
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [str(LOCK_TIMEOUT_MS)])
        super().handle(*args, **options)
        if options["app_label"] or options["plan"] or options["check_unapplied"]:
            return
        call_command("createcachetable", database=database, verbosity=0)
        database_roles.grant_rights()
        insert.ensure_partitions()
        apis.install_presets()

    def _refuse_to_go_back(self, app: str, name: str, database: str) -> None:
        """Raise CommandError: unapplying a migration drops people, keys or the trail with its tables and columns."""
        executor = MigrationExecutor(connections[database])
        try:
            target = None if name == "zero" else executor.loader.get_migration_by_prefix(app, name).name
        except (KeyError, AmbiguityError):
            return  # Django says which there are.
        if any(backwards for _, backwards in executor.migration_plan([(app, target)])):
            raise CommandError(
                f"Keyward does not go back to {app} {name}: that would drop people, keys or the trail without an event."
                " Restore a backup instead (docs/operations.md)."
            )
