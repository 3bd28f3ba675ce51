"""`maintain`: the hourly job. It may run on any node and any number of times."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, transaction
from psycopg.errors import LockNotAvailable

from accounts.signin import passkeys, rate_limits
from audit import digests
from audit.calls import retention, seals
from audit.calls.partitions import ensure_partitions
from audit.management.checkpoints import write_line
from audit.trail import checkpoints, verification_state
from audit.trail.record import record
from audit.usage import roll_up
from core.actor import Actor
from core.program import PROGRAM
from keys.notices import jobs
from keys.selectors.decision import build_route_matcher
from keys.services import RotationRun, rotate_due_keys, rotation

MAX_TRIES = 5
MAX_POSTPONED_NAMED = 20
T = TypeVar("T")


class Command(BaseCommand):
    help = (
        "Create the API log's partitions for this month and the next three, seal the hours that are over, sum their "
        "calls for each key, sign each account's digests of them, drop months older than LOG_RETENTION_DAYS, change "
        "the secrets of keys by their schedules, destroy the sealed forms of retired secrets, make the notices that "
        "are due, delete expired limits and passkey challenges, verify new events of the audit trail (once a day all "
        "of it and the API log), and sign a checkpoint unless a problem was found. Safe to run hourly on any node."
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
        late_seals = _retry_on_lock(lambda: seals.seal_late_columns(by))
        self.stdout.write(
            f"Calls sealed: {sum(seal.rows for seal in sealed)}, in {len(sealed)} seals; "
            f"with status, duration and bytes: {sum(seal.rows for seal in late_seals)}, in {len(late_seals)}."
        )
        self.stdout.write(f"Hours summed for each key: {roll_up.roll_up(build_route_matcher())}.")
        forged = False
        try:
            self.stdout.write(f"Digests signed: {_retry_on_lock(lambda: digests.make_digests(by))}.")
        except digests.DigestMismatch as error:
            # The verification below then covers everything and reports it.
            forged = True
            self.stderr.write(f"Digests signed: no more, because {error}.")
        days = settings.LOG_RETENTION_DAYS
        assert days is not None  # it has a default
        try:
            dropped = _retry_on_lock(lambda: retention.drop_old_months(days, by))
        except retention.SealMismatch as error:
            self.stderr.write(f"Months dropped: none, because {error}.")
        else:
            self.stdout.write(f"Months dropped: {', '.join(dropped) or 'none'}.")
        for line in list_rotations(rotate_due_keys(by=by)):
            self.stdout.write(line)
        self.stdout.write(f"Retired secrets destroyed: {rotation.destroy_expired_secrets(by=by)}.")
        self.stdout.write(f"Notices made: {jobs.detect(by)}.")
        rate_limits.delete_expired()
        passkeys.delete_expired_challenges()
        state = verification_state.verify_incrementally(by, whole=forged)
        if state.problems:
            # A checkpoint would state that the chain is valid.
            problems = "\n".join(f"- {text}" for text in state.problems)
            raise CommandError(
                f"The trail is NOT good: {state.problems[0]}. Last verified without findings: to event "
                f"{state.seq}. No checkpoint is signed until {PROGRAM} audit_acknowledge:\n{problems}"
            )
        line = checkpoints.format_checkpoint(checkpoints.build_checkpoint())
        write_line(line, options["checkpoints"], self.stdout)
        self.stdout.write(f"The trail is good: {state.seq} events.")


def list_rotations(run: RotationRun) -> Iterator[str]:
    """Yield how many secrets were changed, and which could not be and why, a line each."""
    yield f"Secrets changed by schedule: {run.rotated}."
    for postponed in run.postponed[:MAX_POSTPONED_NAMED]:
        yield f"Not changed, although it is due: {postponed}"
    if (more := len(run.postponed) - MAX_POSTPONED_NAMED) > 0:
        yield f"Not changed, although it is due: {more:,} more secrets."
    if run.remaining:
        yield f"Left for the next run: {run.remaining:,} secrets that are due."


def _retry_on_lock(do: Callable[[], T]) -> T:
    """Return the result of `do`. If it fails to get a lock, release all locks and try again, so that the gateways go
    first."""
    for attempt in range(1, MAX_TRIES + 1):
        try:
            return do()
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            time.sleep(attempt)
    raise CommandError("The API log stayed locked; the rest is done in the next run.")
