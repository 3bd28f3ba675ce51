"""Django's `flush`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would delete people and keys without an event."
    instead = "Use a new, empty database."
