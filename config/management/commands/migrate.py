"""`migrate` as the owner's role, and all that a database needs besides tables: rights, partitions, presets."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from audit import calls
from config import roles
from keys import apis

# A migration waits this long for a lock and then gives up, instead of making every query behind it wait too.
LOCK_TIMEOUT_MS = 2000


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(database="maintenance")

    def handle(self, *args: Any, **options: Any) -> None:
        database = options["database"]
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [str(LOCK_TIMEOUT_MS)])
        super().handle(*args, **options)
        if options["app_label"] or options["plan"] or options["check_unapplied"]:
            return
        call_command("createcachetable", database=database, verbosity=0)
        roles.grant()
        calls.ensure_partitions()
        apis.install_presets()
