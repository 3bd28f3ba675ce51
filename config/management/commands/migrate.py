"""`migrate` as the owner's role, and all that a database needs besides tables: rights, partitions, presets."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections

from config import roles

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
        for module, function in (("audit.calls", "ensure_partitions"), ("keys.apis", "install_presets")):
            try:
                getattr(import_module(module), function)()
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
