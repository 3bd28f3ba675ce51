"""Django's `testserver`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would load fixtures past the services."
    instead = "Use ./start, which loads the demo."
