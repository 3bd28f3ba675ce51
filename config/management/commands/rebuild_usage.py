"""`rebuild_usage`: sum each key's calls anew from the API log."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from audit.usage import roll_up
from keys.selectors.decision import build_route_matcher


class Command(BaseCommand):
    help = (
        "Recalculate each key's call totals from the sealed hours of the API log. Nothing is lost. Until it ends, "
        "pages count calls from the log itself, the newest ones only."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        hours = roll_up.rebuild(build_route_matcher())
        self.stdout.write(f"Recalculated: {hours} hours of the API log.")
