"""Commands of Django and of the installed apps that Keyward refuses.

They would change or remove users, keys or the trail without a service, an event or a mail. Each message says what to
use instead. tests/guards/test_stock_commands.py lists a decision about every command that is not Keyward's own.
"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError


class RefusedCommand(BaseCommand):
    """A command that only refuses. `why` and `instead` are sentences of its error message."""

    why = "It would change people, keys or the trail without an event."
    instead = ""
    requires_system_checks = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Raise CommandError before the arguments are parsed: an unknown one would otherwise be reported instead."""
        self.stderr.write(self._format_refusal())
        sys.exit(1)

    def execute(self, *args: Any, **options: Any) -> None:
        raise CommandError(self._format_refusal())

    def _format_refusal(self) -> str:
        name = type(self).__module__.rpartition(".")[2]
        return f"Keyward does not run {name}. {self.why} {self.instead}"
