"""What the digests of an hour cost `maintain`, beside the seals of the same hour, both for calls and for late
columns."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from statistics import median

from benchmarks.figures import format_table
from benchmarks.installation import installation
from benchmarks.logs import make_calls
from benchmarks.results import Ratio
from benchmarks.sizes import Size

HOUR = timedelta(hours=1)


def run(size: Size) -> list[Ratio]:
    calls, accounts, rounds = size.choose(quick=(600, 3, 1), normal=(60_000, 3, 3), full=(60_000, 3, 7))
    with installation():
        from accounts.models import Account
        from audit.calls import seals
        from audit.digests.build import make_pass
        from core.actor import Actor

        by = Actor.from_command("maintain")
        line = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        for number in range(accounts):
            account = Account.objects.create(slug=f"account-{number}", name=f"Account {number}")
            make_calls(account.pk, (rounds + 2) * calls // accounts, days=(rounds + 2) / 24)
        begin = line - rounds * HOUR
        for target in (seals.LOG, seals.LATE):
            seals._seal_next(begin, by, target, timedelta.max)
        make_pass(begin, begin, by)
        sealed, digested, made = [], [], 0
        for _ in range(rounds):
            begin += HOUR
            started = time.perf_counter()
            rows = [seals._seal_next(begin, by, target) for target in (seals.LOG, seals.LATE)]
            between = time.perf_counter()
            made += make_pass(begin, begin, by)
            sealed.append(between - started)
            digested.append(time.perf_counter() - between)
            if not all(seal and seal.rows for seal in rows):
                raise SystemExit("an hour without calls was sealed")
    print(f"hours of {calls:,} calls in {accounts} accounts, {made} digests, {rounds} rounds in turn, medians\n")
    print(
        format_table(
            ("", "seconds an hour"), [("seals", f"{median(sealed):.2f}"), ("digests", f"{median(digested):.2f}")]
        )
    )
    return [Ratio("digests", [a / b for a, b in zip(digested, sealed, strict=True)], must=1, aim=1)]
