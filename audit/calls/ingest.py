"""What proxies' access logs say about calls goes into the API log's three late columns, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from audit.calls.access_log import AccessLogEntry
from audit.models import Unmatched

MAX_UNMATCHED = 100_000
BATCH_SIZE = 1000
# A row is written moments after its request ID was made, by two clocks that may differ by as much as this, in seconds.
MAX_CLOCK_SKEW_SECONDS = 3600.0
INGEST_LOCK = 0x6B77_6C61  # any constant of our own: two at once could lock the same rows in different order

# Nothing arrives later: the trigger refuses it and audit.calls.seals has sealed it. A minute's grace, because the
# trigger reads the clock after this statement does.
ARRIVAL_WINDOW_SQL = "interval '47 hours 59 minutes'"
ARRIVAL_WINDOW = timedelta(hours=48)

# Rows are looked for in the partitions of the batch's time alone, by a list. A row that has any of the three stays as
# it is. Where the log has no statistics yet, the planner would go through the whole batch for each row of the log.
DISABLE_NESTED_LOOPS = "SET LOCAL enable_nestloop = off"
FILL = """
    WITH arrived AS (
        SELECT * FROM unnest(
            %(request_ids)s::uuid[], %(statuses)s::integer[], %(durations)s::float8[], %(sizes)s::bigint[]
        ) AS line (request_id, status, duration_ms, bytes)
    ), known AS (
        SELECT request_id, time <= clock_timestamp() - {within}
                AND num_nonnulls(status, duration_ms, bytes) = 0 AS too_late
        FROM audit_call WHERE request_id = ANY(%(request_ids)s::uuid[])
            AND time BETWEEN to_timestamp(%(first)s) AND to_timestamp(%(last)s)
    ), filled AS (
        UPDATE audit_call SET status = arrived.status, duration_ms = arrived.duration_ms, bytes = arrived.bytes
        FROM arrived
        WHERE audit_call.request_id = ANY(%(request_ids)s::uuid[]) AND audit_call.request_id = arrived.request_id
            AND time BETWEEN to_timestamp(%(first)s) AND to_timestamp(%(last)s)
            AND num_nonnulls(audit_call.status, audit_call.duration_ms, audit_call.bytes) = 0
            AND time > clock_timestamp() - {within}
        RETURNING audit_call.request_id
    )
    SELECT request_id, CASE WHEN too_late THEN 'too_late' ELSE 'already' END FROM known
    UNION ALL SELECT request_id, 'filled' FROM filled
""".replace("{within}", ARRIVAL_WINDOW_SQL)


class IngestResult(NamedTuple):
    """How many calls got their values now, had them already, and are not in the log; and the calls that are sealed
    without them, because they came too late."""

    filled: int
    already: int
    unmatched: int
    too_late: tuple[UUID, ...]


def apply_entries(lines: Sequence[AccessLogEntry]) -> IngestResult:
    """Fill in a batch of lines. Those without a row, and those that come too late for it, are kept, the newest of
    them; the former are tried again."""
    with transaction.atomic():
        known = _fill_columns(lines)
        kept = {line.request_id: line for line in lines if known.get(line.request_id) in (None, "too_late")}
        _keep_unapplied(kept.values())
    filled = sum(outcome == "filled" for outcome in known.values())
    unmatched = sum(line.request_id not in known for line in lines)
    too_late = tuple(request_id for request_id, outcome in known.items() if outcome == "too_late")
    late = sum(known.get(line.request_id) == "too_late" for line in lines)
    return IngestResult(filled, len(lines) - filled - unmatched - late, unmatched, too_late)


def retry_unmatched() -> int:
    """Try again what had no row when it came; returns how many have one now."""
    filled = 0
    # A UUIDv7 begins with its time: those that can only come too late are not tried.
    oldest = int((timezone.now() - ARRIVAL_WINDOW).timestamp() * 1000) - int(MAX_CLOCK_SKEW_SECONDS * 1000)
    waiting = (
        Unmatched.objects.filter(request_id__gte=UUID(int=oldest << 80))
        .order_by("request_id")
        .values_list("request_id", "status", "duration_ms", "bytes")
    )
    lines = iter([AccessLogEntry(*row) for row in waiting])
    while rows := list(islice(lines, BATCH_SIZE)):
        with transaction.atomic():
            known = _fill_columns(rows)
            done = [request_id for request_id, outcome in known.items() if outcome != "too_late"]
            Unmatched.objects.filter(request_id__in=done).delete()
        filled += sum(outcome == "filled" for outcome in known.values())
    return filled


def _fill_columns(lines: Sequence[AccessLogEntry]) -> dict[UUID, str]:
    """The calls that are in the log, and what became of each: filled, already or too_late. Of two lines the first
    counts."""
    first = {line.request_id: line for line in reversed(lines)}.values()
    asked = [line.asked_at for line in lines]
    request_ids, statuses, durations, sizes = (list(column) for column in zip(*first, strict=True))
    values: dict[str, Any] = {
        "request_ids": request_ids,
        "statuses": statuses,
        "durations": durations,
        "sizes": sizes,
        "first": min(asked) - MAX_CLOCK_SKEW_SECONDS,
        "last": max(asked) + MAX_CLOCK_SKEW_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INGEST_LOCK])
        cursor.execute(DISABLE_NESTED_LOOPS)
        cursor.execute(FILL, values)
        known: dict[UUID, str] = {}
        for request_id, outcome in cursor.fetchall():
            if known.get(request_id) != "filled":
                known[request_id] = outcome
        return known


def _keep_unapplied(missing: Iterable[AccessLogEntry]) -> None:
    kept = [Unmatched(**line._asdict()) for line in missing]
    if not kept:
        return
    Unmatched.objects.bulk_create(kept, ignore_conflicts=True)
    newest = Unmatched.objects.order_by("-arrived", "-request_id")
    oldest = list(newest.values_list("request_id", flat=True)[MAX_UNMATCHED:])
    Unmatched.objects.filter(request_id__in=oldest).delete()
