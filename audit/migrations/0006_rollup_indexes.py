"""Indexes that hold all that charts read of the rollups; those of one key lie an hour of all keys apart."""

from __future__ import annotations

from django.db import migrations

from core.online_migrations import ReplaceIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("audit", "0005_usage_paths")]

    operations = [
        ReplaceIndexConcurrently(
            "audit_rollup",
            "audit_rollup_key",
            "audit_rollup_key_sums",
            "(key_id, hour) INCLUDE (account_id, api, reason, rows, calls)",
        ),
        ReplaceIndexConcurrently(
            "audit_rollup_total",
            "audit_rollup_total_account",
            "audit_rollup_total_sums",
            "(account_id, hour) INCLUDE (api, reason, rows, calls)",
        ),
    ]
