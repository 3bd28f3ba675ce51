"""Django's `test`, refused."""

from __future__ import annotations

from config.refused_commands import RefusedCommand


class Command(RefusedCommand):
    why = "It would run none of Keyward's tests as they are meant to run."
    instead = "Use ./test."
