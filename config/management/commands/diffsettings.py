"""Django's `diffsettings`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would print every secret of the configuration."
    instead = "Use check --deploy, which says what is wrong with it."
