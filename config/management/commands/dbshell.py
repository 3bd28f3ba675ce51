"""Django's `dbshell`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand
from core.program import PROGRAM


class Command(RefusedCommand):
    instead = f"Use Keyward's commands ({PROGRAM} help); to look around, psql with a role that may only read."
