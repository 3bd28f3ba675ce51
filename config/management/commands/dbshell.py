"""Django's `dbshell`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    instead = "Use Keyward's commands (manage.py help); to look around, psql with a role that may only read."
