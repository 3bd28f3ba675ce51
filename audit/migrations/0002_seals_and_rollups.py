"""What the hourly job keeps: an index by time to seal by, sums for charts, and how far the chain was verified."""

from __future__ import annotations

from typing import Any

from django.db import migrations

# Reading an hour of the log by its time, which rows arrive in: a few pages for gigabytes, nothing to keep per call.
INDEX = "USING brin (time) WITH (pages_per_range = 32, autosummarize = on)"


def index_by_time(apps: Any, schema_editor: Any) -> None:
    """Partition by partition and concurrently, because calls go on being written; then joined under the log's own."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree('audit_call') WHERE isleaf")
        partitions = [name for (name,) in cursor.fetchall()]
        cursor.execute(f"CREATE INDEX IF NOT EXISTS audit_call_time ON ONLY audit_call {INDEX}")
        for name in partitions:
            cursor.execute(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name}_time ON {name} {INDEX}")
            cursor.execute(f"ALTER INDEX audit_call_time ATTACH PARTITION {name}_time")


def drop_index(apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("DROP INDEX audit_call_time")


# Sums of sealed hours. `reason` is empty for allowed calls; `calls` counts what folded rows stand for.
ROLLUPS = """
CREATE TABLE audit_rollup (
    hour timestamptz NOT NULL,
    account_id bigint,
    api text NOT NULL,
    key_id text NOT NULL,
    reason text NOT NULL,
    rows bigint NOT NULL,
    calls bigint NOT NULL
);
CREATE INDEX audit_rollup_account ON audit_rollup (account_id, hour);
CREATE INDEX audit_rollup_key ON audit_rollup (key_id, hour);
CREATE INDEX audit_rollup_hour ON audit_rollup (hour);
"""

# One row: how far the chain was found good, and by which MAC; the next check goes on from there.
STANDING = """
CREATE TABLE audit_standing (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    mac bytea NOT NULL,
    at timestamptz NOT NULL,
    problem text NOT NULL
);
"""


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0001_trail_and_log")]
    operations = [
        migrations.RunSQL([ROLLUPS, STANDING], ["DROP TABLE audit_rollup", "DROP TABLE audit_standing"]),
        migrations.RunPython(index_by_time, drop_index),
    ]
