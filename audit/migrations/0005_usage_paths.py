"""Outlines of the paths of the calls that are summed."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0004_rollup_totals")]

    operations = [migrations.RunSQL((SQL / "usage_paths.sql").read_text())]
