"""Django's `loaddata`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    instead = "Use create_account, grant_support and import_api; to restore a backup, pg_restore (docs/operations.md)."
