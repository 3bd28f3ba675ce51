"""Whether a call was made with the old secret of a changed key. A column with a constant default rewrites no row."""

from __future__ import annotations

from django.db import migrations

ADD = "ALTER TABLE audit_call ADD COLUMN IF NOT EXISTS old_secret boolean NOT NULL DEFAULT false"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [migrations.RunSQL(ADD)]
