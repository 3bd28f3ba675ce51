"""Gauges of the installation's state in the database."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from django.conf import settings
from django.db import DatabaseError, connection
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from audit.calls.partitions import build_coming_partitions
from audit.calls.seals import get_sealed_until
from audit.trail.last_verification import STATE_QUERY, parse_last_verification
from core.replica import get_log_database, get_replayed_until

STATE = f"""
    SELECT ({STATE_QUERY}),
        pg_database_size(current_database()),
        (SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits
            WHERE inhparent = 'audit_call'::regclass),
        (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
        current_setting('max_connections')::int,
        (SELECT count(*) FILTER (WHERE is_there) FROM {build_coming_partitions(1, 12)}),
        (SELECT coalesce(extract(epoch FROM now() - min(next_attempt_at)), 0)::float FROM keys_delivery
            WHERE next_attempt_at <= now()),
        (SELECT ARRAY[count(user_id), count(endpoint_id)] FROM keys_delivery
            WHERE next_attempt_at IS NOT NULL AND error <> '')
"""


class InstallationCollector:
    """Collect the database's state for prometheus-client; if the database does not answer, only that it is down."""

    def collect(self) -> Iterable[Metric]:
        try:
            gauges, failing = _read_gauges()
        except DatabaseError:
            gauges, failing = {}, {}
        text = "Whether the database answered the portal"
        yield GaugeMetricFamily("keyward_portal_database_up", text, value=bool(gauges))
        for (name, text), value in gauges.items():
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)
        if failing:
            text = "Notices whose last attempt failed and that are tried again"
            family = GaugeMetricFamily("keyward_notices_failing", text, labels=["channel"])
            for channel, number in failing.items():
                family.add_metric([channel], number)
            yield family


def _read_gauges() -> tuple[dict[tuple[str, str], float | None], dict[str, int]]:
    """Return the gauges by name and text, and the number of failing notices by channel."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        verification, size, log_size, connections, max_connections, ahead, overdue, failing = cursor.fetchone()
    last = parse_last_verification(verification)
    good = None if verification is None else not last.findings
    sealed, replayed = get_sealed_until(), None
    replica_up = get_log_database() == "replica" if "replica" in settings.DATABASES else None
    if replica_up:
        replayed = get_replayed_until()
    gauges = {
        ("keyward_maintain_last_run_timestamp_seconds", "When maintain last ended with a verification"): last.at,
        ("keyward_verification_good", "Whether there are no unacknowledged findings"): good,
        ("keyward_seal_lag_seconds", "Seconds since the end of the last sealed hour"): _get_age(sealed),
        ("keyward_notices_overdue_seconds", "Seconds that the oldest due notice has waited to be sent"): overdue,
        ("keyward_partitions_ahead", "Months after this one that have a partition of the API log"): ahead,
        ("keyward_database_size_bytes", "Size of the database on disk"): size,
        ("keyward_log_size_bytes", "Size of the API log on disk, with its indexes"): log_size,
        ("keyward_database_connections", "Connections to the database"): connections,
        ("keyward_database_max_connections", "Connections that the server allows"): max_connections,
        ("keyward_portal_replica_up", "Whether the replica answers the portal"): replica_up,
        ("keyward_replica_lag_seconds", "Replication lag of the replica in seconds"): _get_age(replayed),
    }
    return gauges, dict(zip(("mail", "webhook"), failing, strict=True))


def _get_age(moment: datetime | None) -> float | None:
    return None if moment is None else max(0.0, (datetime.now(UTC) - moment).total_seconds())
