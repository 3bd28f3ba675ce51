"""`migrate` as the owner, beside a version that answers calls, and everything else that a database needs: privileges,
partitions, presets."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

from django.core.checks import Tags
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from django.db.migrations.exceptions import AmbiguityError
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from psycopg.errors import LockNotAvailable, QueryCanceled

from audit.calls import partitions
from config import database_roles
from core import online_migrations
from keys import apis

# How often a migration is tried whose lock is not to be had: an export holds one for 15 minutes at most.
MAX_LOCK_TRIES = 100
# And one that runs too long, which blocks calls for a second each time.
MAX_STATEMENT_TRIES = 5
MAX_PAUSE_SECONDS = 10
OUR_APPS = ("accounts", "audit", "keys")


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="maintenance")
        parser.add_argument(
            "--without-timeouts",
            action="store_true",
            help="let statements wait and run for any time; calls may wait behind them, so stop the gateways first",
        )

    def check(self, **options: Any) -> None:  # type: ignore[override]
        """Check models and databases alone, because the checks of URLs import every page."""
        super().check(tags=[Tags.models, Tags.database], **options)

    def handle(self, *args: Any, **options: Any) -> None:
        database = options["database"]
        if options["migration_name"]:
            self._refuse_to_go_back(options["app_label"], options["migration_name"], database)
        applied = set(MigrationRecorder(connections[database]).applied_migrations())
        self._refuse_later_version(applied)
        # An empty database has no calls.
        if applied and not options["without_timeouts"]:
            self._migrate_beside_calls(database, lambda: super(Command, self).handle(*args, **options))
        else:
            super().handle(*args, **options)
        if options["app_label"] or options["plan"] or options["check_unapplied"]:
            return
        call_command("createcachetable", database=database, verbosity=0)
        database_roles.grant_rights()
        partitions.ensure_partitions()
        apis.install_presets()

    def _migrate_beside_calls(self, database: str, run_migrate: Callable[[], Any]) -> None:
        """Run Django's migrate with the timeouts of migrations. When one passes, pause, so that waiting calls go
        first, and run it again: what was applied stays applied. Raise CommandError after too many tries."""
        for tries in itertools.count(1):
            try:
                with online_migrations.timeouts(connections[database]):
                    run_migrate()
                return
            except OperationalError as error:
                max_tries = _get_max_tries(error)
                reason = str(error).splitlines()[0]
                if not max_tries:
                    raise
                if tries >= max_tries:
                    raise CommandError(
                        f"A migration was abandoned after {tries} attempts: {reason}. Calls continue, and earlier "
                        "migrations stay applied. Run migrate again when no backup or export is running; or, with all "
                        "gateways stopped, migrate --without-timeouts."
                    ) from error
                self.stderr.write(f"{reason}: trying again ({tries} of {max_tries}).")
                time.sleep(min(tries, MAX_PAUSE_SECONDS))

    def _refuse_later_version(self, applied: set[tuple[str, str]]) -> None:
        """Raise CommandError if a later version migrated the database: this one would revoke rights that it needs."""
        known = MigrationLoader(None, ignore_no_migrations=True).disk_migrations
        if later := sorted(f"{app}.{name}" for app, name in applied - set(known) if app in OUR_APPS):
            raise CommandError(
                f"A later version has migrated the database ({later[0]}). This one works with it as it is: there is "
                "nothing to migrate."
            )

    def _refuse_to_go_back(self, app: str, name: str, database: str) -> None:
        """Raise CommandError if migrations would be unapplied, which would drop people, keys or the trail."""
        executor = MigrationExecutor(connections[database])
        try:
            target = None if name == "zero" else executor.loader.get_migration_by_prefix(app, name).name
        except (KeyError, AmbiguityError):
            return  # Django's own error lists the valid names.
        if any(backwards for _, backwards in executor.migration_plan([(app, target)])):
            raise CommandError(
                f"Keyward does not migrate back to {app} {name}: that would drop people, keys or the trail without an "
                "event. Restore a backup instead (docs/operations.md)."
            )


def _get_max_tries(error: OperationalError) -> int:
    """Return how often to try a migration that failed so; 0 if that would not help."""
    if isinstance(error.__cause__, LockNotAvailable):
        return MAX_LOCK_TRIES
    return MAX_STATEMENT_TRIES if isinstance(error.__cause__, QueryCanceled) else 0
