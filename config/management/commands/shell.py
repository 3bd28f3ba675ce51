"""Django's `shell`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    instead = "Use Keyward's commands (manage.py help), which go through the services."
