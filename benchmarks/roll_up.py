"""What summing each key's calls costs `maintain`, beside the seals of the same hours, and how many rows it leaves."""

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
SIZE = """
    SELECT (SELECT count(*) FROM audit_usage), (SELECT count(*) FROM audit_usage_day),
        pg_total_relation_size('audit_usage') + pg_total_relation_size('audit_usage_day')
"""


def run(size: Size) -> list[Ratio]:
    calls, days, rounds = size.choose(quick=(3_000, 2, 2), normal=(500_000, 30, 5), full=(1_000_000, 30, 5))
    with installation():
        from django.db import connection

        from accounts.models import Account
        from audit.calls import seals
        from audit.usage import roll_up
        from core.actor import Actor
        from keys.selectors.decision import build_route_matcher

        by = Actor.from_command("maintain")
        account = Account.objects.create(slug="acme", name="Acme")
        make_calls(account.pk, calls, days=days)
        line = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - rounds * HOUR
        began = time.perf_counter()
        while seals._seal_next(line, by, seals.LOG, timedelta.max):
            pass
        first_seal = time.perf_counter() - began
        match = build_route_matcher()
        began = time.perf_counter()
        roll_up.roll_up(match)
        first_sum = time.perf_counter() - began
        sealed, summed = [], []
        for number in range(1, rounds + 1):
            began = time.perf_counter()
            seals._seal_next(line + number * HOUR, by)
            between = time.perf_counter()
            roll_up.roll_up(match)
            sealed.append(between - began)
            summed.append(time.perf_counter() - between)
        with connection.cursor() as cursor:
            cursor.execute(SIZE)
            rows, of_days, in_bytes = cursor.fetchone()
    print(f"{calls:,} calls of 200 keys in {days} days; hours are medians of {rounds}\n")
    table = [
        ("seals", f"{first_seal:.2f}", f"{median(sealed):.3f}"),
        ("sums of each key", f"{first_sum:.2f}", f"{median(summed):.3f}"),
    ]
    print(format_table(("seconds", "all days", "an hour"), table))
    print(f"\n{rows:,} rows, {of_days:,} of days, {in_bytes / 1e6:.1f} MB")
    return [Ratio("roll-up", [first_sum / first_seal], must=3, aim=1)]
