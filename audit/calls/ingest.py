"""Write status, duration and bytes from proxies' access logs into the API log, once for each call."""

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
# A request ID and its row's time are made by two clocks, which may differ by this much.
MAX_CLOCK_SKEW_SECONDS = 3600.0
INGEST_LOCK = 0x6B77_6C61  # arbitrary; two ingests at once could lock the same rows in different order

# The trigger refuses what arrives later, because audit.calls.seals has sealed it. This is a minute shorter, because the
# trigger reads the clock after this statement does.
ARRIVAL_WINDOW_SQL = "interval '47 hours 59 minutes'"
ARRIVAL_WINDOW = timedelta(hours=48)

# A row that has a value in any of the three columns stays as it is. The bounds of time limit the search to the batch's
# partitions. Without statistics on a new partition, the planner would choose a nested loop over the whole batch.
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
    """How many calls were filled in, had values already, or are not in the log; and the request IDs of those that are
    sealed without values because the entry came too late."""

    filled: int
    already: int
    unmatched: int
    too_late: tuple[UUID, ...]


def apply_entries(entries: Sequence[AccessLogEntry]) -> IngestResult:
    """Fill in the calls of a batch, in one transaction. Entries without a call, and those that come too late, are kept
    in Unmatched, the newest MAX_UNMATCHED of them; `retry_unmatched` tries the former again."""
    with transaction.atomic():
        outcomes = _fill_columns(entries)
        refused = {entry.request_id: entry for entry in entries if outcomes.get(entry.request_id) in (None, "too_late")}
        _keep_unapplied(refused.values())
    filled = sum(outcome == "filled" for outcome in outcomes.values())
    unmatched = sum(entry.request_id not in outcomes for entry in entries)
    too_late = tuple(request_id for request_id, outcome in outcomes.items() if outcome == "too_late")
    late_count = sum(outcomes.get(entry.request_id) == "too_late" for entry in entries)
    return IngestResult(filled, len(entries) - filled - unmatched - late_count, unmatched, too_late)


def retry_unmatched() -> int:
    """Apply the kept entries whose call may have been logged since; return how many were filled in."""
    filled = 0
    # A UUIDv7 begins with its time: entries that can only be too late are not tried.
    oldest = int((timezone.now() - ARRIVAL_WINDOW).timestamp() * 1000) - int(MAX_CLOCK_SKEW_SECONDS * 1000)
    waiting = (
        Unmatched.objects.filter(request_id__gte=UUID(int=oldest << 80))
        .order_by("request_id")
        .values_list("request_id", "status", "duration_ms", "bytes")
    )
    entries = iter([AccessLogEntry(*row) for row in waiting])
    while batch := list(islice(entries, BATCH_SIZE)):
        with transaction.atomic():
            outcomes = _fill_columns(batch)
            applied = [request_id for request_id, outcome in outcomes.items() if outcome != "too_late"]
            Unmatched.objects.filter(request_id__in=applied).delete()
        filled += sum(outcome == "filled" for outcome in outcomes.values())
    return filled


def _fill_columns(entries: Sequence[AccessLogEntry]) -> dict[UUID, str]:
    """Return the outcome by request ID for each call that is in the log: filled, already or too_late. Of two entries
    for a call the first counts."""
    first = {entry.request_id: entry for entry in reversed(entries)}.values()
    times = [entry.requested_at for entry in entries]
    request_ids, statuses, durations, sizes = (list(column) for column in zip(*first, strict=True))
    values: dict[str, Any] = {
        "request_ids": request_ids,
        "statuses": statuses,
        "durations": durations,
        "sizes": sizes,
        "first": min(times) - MAX_CLOCK_SKEW_SECONDS,
        "last": max(times) + MAX_CLOCK_SKEW_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [INGEST_LOCK])
        cursor.execute(DISABLE_NESTED_LOOPS)
        cursor.execute(FILL, values)
        outcomes: dict[UUID, str] = {}
        for request_id, outcome in cursor.fetchall():
            if outcomes.get(request_id) != "filled":
                outcomes[request_id] = outcome
        return outcomes


def _keep_unapplied(entries: Iterable[AccessLogEntry]) -> None:
    unmatched = [Unmatched(**entry._asdict()) for entry in entries]
    if not unmatched:
        return
    Unmatched.objects.bulk_create(unmatched, ignore_conflicts=True)
    newest = Unmatched.objects.order_by("-arrived", "-request_id")
    oldest = list(newest.values_list("request_id", flat=True)[MAX_UNMATCHED:])
    Unmatched.objects.filter(request_id__in=oldest).delete()
