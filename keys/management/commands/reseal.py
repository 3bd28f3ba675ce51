"""`manage.py reseal`: move secrets to the newest key of SEALING_KEYS, SIGNING_KEYS and TOKEN_PEPPERS, and report what
still needs older ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.signin import sealed_factors
from core.actor import Actor
from keys.notices.services import resealing as webhook_secrets
from keys.services import resealing
from keys.services.resealing import RingUsage


class Command(BaseCommand):
    help = (
        "Reseal revealable tokens, signing secrets, second factors and secrets of webhooks with the newest keys of "
        "their rings, and digest readable tokens with the newest pepper. Works in batches beside live traffic; after "
        "an interruption, run it again to continue. Reports how many keys still use an older pepper."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = self._run("secrets", resealing.reseal_batch)
        broken += self._run("second factors", sealed_factors.reseal_batch)
        broken += self._run("webhook secrets", webhook_secrets.reseal_batch)
        for ring in resealing.list_ring_usage():
            self._print_usage(ring)
        if broken:
            raise CommandError(
                f"{broken} could not be opened: they were modified, or the key that sealed them is not in its ring."
            )

    def _run(self, objects: str, batch: Callable[..., Any]) -> int:
        by = Actor.from_command("reseal")
        moved = broken = 0
        result = batch(by=by)
        while result.last is not None:
            moved, broken = moved + result.moved, broken + result.broken
            result = batch(after=result.last, by=by)
        self.stdout.write(f"Resealed {moved} {objects}.")
        return broken

    def _print_usage(self, ring: RingUsage) -> None:
        objects = "keys" if ring.ring == "TOKEN_PEPPERS" else "secrets and second factors"
        for number, count in sorted(ring.by_number.items(), reverse=True):
            if ring.ring == "TOKEN_PEPPERS" and number != ring.newest:
                self.stdout.write(
                    f"Keys still on pepper {number}: {count}. Each moves to the newest one when its secret is changed."
                )
            else:
                self.stdout.write(f"{ring.ring} {number}: {count} {objects}.")
        for number in sorted(getattr(settings, ring.ring)):
            if number != ring.newest and number not in ring.by_number:
                self.stdout.write(f"{ring.ring} {number} is no longer needed.")
