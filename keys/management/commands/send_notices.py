"""`send_notices`: send the notices that are due by mail and to webhooks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from core.actor import Actor
from keys.notices import jobs


class Command(BaseCommand):
    help = (
        "Send the notices that are due, by mail and to webhooks. Those that fail are tried again later, for about "
        "three days. Run it once a minute, on any node; several at once share the work."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Notices delivered: {jobs.send(Actor.from_command('send_notices'))}.")
