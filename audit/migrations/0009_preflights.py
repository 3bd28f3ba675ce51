"""Calls may be allowed for a reason: CORS preflights need no key."""

from __future__ import annotations

from django.db import migrations

# Every row that is there fits, because the old check was narrower: none need be read, under a lock that calls wait for.
FORWARD = """
ALTER TABLE audit_call DROP CONSTRAINT audit_call_check,
    ADD CONSTRAINT audit_call_reason
    CHECK ((reason IN ('', 'preflight')) = (decision = 'allowed')) NOT VALID
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0008_digests")]
    operations = [migrations.RunSQL(FORWARD, migrations.RunSQL.noop)]
