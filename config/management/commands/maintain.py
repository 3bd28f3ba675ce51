"""`maintain`: the hourly job, on any node and any number of times."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from accounts.signin import passkeys, rate_limits
from audit import digests
from audit.calls import retention, seals
from audit.calls.insert import ensure_partitions
from audit.trail import checkpoints, verification_state
from audit.trail.record import record
from core.actor import Actor
from keys.services import rotation

MAX_TRIES = 5
T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "Makes the API log's partitions for this month and the next three, seals the hours that are over, signs each "
        "account's digests of them, drops what LOG_RETENTION_DAYS lets go, destroys what could be read of secrets that "
        "retired by themselves, sweeps limits and passkey challenges that have run out, verifies what the audit trail "
        "has grown by, once a day all of it and the API log, and signs a checkpoint unless something was found. Safe "
        "every hour from any node."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--checkpoints", type=Path, metavar="FILE", help="append the checkpoint here, not to standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        by = Actor.from_command("maintain")
        months = _retry_on_lock(ensure_partitions)
        if months:
            with transaction.atomic():
                record("partitions.made", by=by, account_id=None, months=months)
        self.stdout.write(f"Partitions made: {', '.join(months) or 'none needed'}.")
        sealed = _retry_on_lock(lambda: seals.seal_hours(by))
        late = _retry_on_lock(lambda: seals.seal_late_columns(by))
        self.stdout.write(
            f"Calls sealed: {sum(seal.rows for seal in sealed)}, in {len(sealed)} seals; "
            f"with their last columns {sum(seal.rows for seal in late)}, in {len(late)}."
        )
        forged = False
        try:
            self.stdout.write(f"Digests signed: {_retry_on_lock(lambda: digests.make_digests(by))}.")
        except digests.DigestMismatch as error:
            # The verification below raises the alarm, and then verifies everything.
            forged = True
            self.stderr.write(f"Digests signed: none more, because {error}.")
        days = settings.LOG_RETENTION_DAYS
        assert days is not None  # it has a default
        try:
            dropped = _retry_on_lock(lambda: retention.drop_old_months(days, by))
        except retention.SealMismatch as error:
            self.stderr.write(f"Months dropped: none, because {error}.")
        else:
            self.stdout.write(f"Months dropped: {', '.join(dropped) or 'none'}.")
        self.stdout.write(f"Retired secrets destroyed: {rotation.destroy_expired_secrets(by=by)}.")
        rate_limits.delete_expired()
        passkeys.delete_expired_challenges()
        state = verification_state.verify_incrementally(by, whole=forged)
        if state.problems:
            # A checkpoint would state that the chain is valid.
            problems = "\n".join(f"- {text}" for text in state.problems)
            raise CommandError(
                f"The trail is NOT good: {state.problems[0]}. Last verified without findings: to event "
                f"{state.seq}. No checkpoint is signed until manage.py audit_acknowledge:\n{problems}"
            )
        self._checkpoint(options["checkpoints"])
        self.stdout.write(f"The trail is good: {state.seq} events.")

    def _checkpoint(self, path: Path | None) -> None:
        line = checkpoints.format_checkpoint(checkpoints.build_checkpoint())
        if path is None:
            self.stdout.write(line)
            return
        try:
            checkpoints.append_line(path, line)
        except OSError as error:
            raise CommandError(f"{path} cannot be written: {error.strerror}.") from error


def _retry_on_lock(do: Callable[[], T]) -> T:
    """Return the result of `do`; when it fails to get a lock, release all and try again, so that the gateways go
    first."""
    for attempt in range(1, MAX_TRIES + 1):
        try:
            return do()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            time.sleep(attempt)
    raise CommandError("The API log stayed locked; what is left is done at the next run.")
