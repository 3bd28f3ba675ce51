"""django-import-export's `export`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would export people and keys without an event."
    instead = "Use the exports of the pages and of the administration, which are recorded and signed."
