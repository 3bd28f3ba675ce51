"""What a verification found, out of the application's reach; and late columns that stop arriving."""

from __future__ import annotations

from django.db import migrations

# One row. `body` is JSON, `mac` its HMAC under the audit key `key_id`; audit.trail.verification_state writes it as the
# owner.
STATE = """
CREATE TABLE audit_verification (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    body text NOT NULL,
    key_id integer NOT NULL,
    mac bytea NOT NULL
);
DROP TABLE audit_standing;
"""
UNDO_STATE = """
CREATE TABLE audit_standing (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL,
    mac bytea NOT NULL,
    at timestamptz NOT NULL,
    problem text NOT NULL
);
DROP TABLE audit_verification;
"""

LATE = """
CREATE OR REPLACE FUNCTION audit_call_late_columns_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status IS NULL AND OLD.duration_ms IS NULL AND OLD.bytes IS NULL%s) THEN
        OLD.status := NEW.status; OLD.duration_ms := NEW.duration_ms; OLD.bytes := NEW.bytes;
    END IF;
    IF OLD IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'UPDATE on %% is refused: what is logged stays as it was written', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
"""
# From then on audit.calls.seals seals them. Not the statement's or the transaction's time: the sealer waits for those
# under way, and what begins later must find the later time.
IN_TIME = "\n        AND OLD.time > clock_timestamp() - interval '48 hours'"


class Migration(migrations.Migration):
    dependencies = [("audit", "0006_event_numbers")]
    operations = [
        migrations.RunSQL([STATE], [UNDO_STATE]),
        migrations.RunSQL([(LATE % IN_TIME).replace("%%", "%")], [(LATE % "").replace("%%", "%")]),
    ]
