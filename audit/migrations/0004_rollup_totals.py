"""Sums of the rollups over all keys."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parents[1] / "sql"


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_usage")]

    operations = [migrations.RunSQL((SQL / "rollup_totals.sql").read_text())]
