"""Django's `dumpdata`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would write password hashes and sealed secrets to a file without an event."
    instead = "Use the exports of the pages, which are recorded and signed; for a backup, pg_dump (docs/operations.md)."
