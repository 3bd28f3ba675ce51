"""manage.py maintain: what must be done every hour, by any node, any number of times."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from accounts import limits, passkeys
from audit.actor import Actor
from audit.calls import ensure_partitions
from audit.record import record
from keys.services import rotation

TRIES = 5


class Command(BaseCommand):
    help = (
        "Makes the API log's partitions for this month and the next three, destroys what could be read of secrets "
        "that retired by themselves, and sweeps limits and passkey challenges that have run out. Safe every hour from "
        "any node."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        months = self.partitions()
        if months:
            with transaction.atomic():
                record("partitions.made", by=Actor.command("maintain"), account_id=None, months=months)
        self.stdout.write(f"Partitions made: {', '.join(months) or 'none needed'}.")
        self.stdout.write(f"Retired secrets destroyed: {rotation.sweep(by=Actor.command('maintain'))}.")
        limits.sweep()
        passkeys.sweep()

    def partitions(self) -> list[str]:
        """The log is busy: what waits for a lock lets others go first and tries again."""
        for attempt in range(1, TRIES + 1):
            try:
                return ensure_partitions()
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                time.sleep(attempt)
        raise CommandError("The API log stayed locked; its partitions are made at the next run.")
