"""The number of an event within its account, or among the installation's own; events from before have none."""

from __future__ import annotations

from django.db import migrations, models

# Part of the body, so the chain's MAC covers it. The indexes find the last number, and the few events of the
# installation that an account's trail shows among the many that it does not.
NUMBER = """
ALTER TABLE audit_event
    ADD COLUMN number bigint GENERATED ALWAYS AS ((body::jsonb ->> 'number')::bigint) STORED;
CREATE INDEX audit_event_number ON audit_event (account_id, number);
CREATE INDEX audit_event_installation ON audit_event (name, seq DESC) WHERE account_id IS NULL;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0005_names")]
    operations = [
        migrations.RunSQL(
            NUMBER,
            "DROP INDEX audit_event_installation; ALTER TABLE audit_event DROP COLUMN number",
            state_operations=[
                migrations.AddField(
                    "event",
                    "number",
                    models.BigIntegerField(
                        null=True, db_comment="within the account, or among the installation's own events; without gaps"
                    ),
                )
            ],
        )
    ]
