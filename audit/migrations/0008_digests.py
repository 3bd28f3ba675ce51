"""Digests: what each account's calls and events were hour by hour, signed; added to, never changed."""

from __future__ import annotations

from django.db import migrations, models

# `document` is the signed file as it is given out. `late_until` is how far it and those before it cover the columns of
# calls that arrive late; `last_event` is the last event of the chain that they cover.
DIGESTS = """
CREATE TABLE audit_digest (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    number bigint NOT NULL,
    since timestamptz,
    until timestamptz NOT NULL,
    late_until timestamptz,
    last_event bigint NOT NULL,
    document text NOT NULL,
    UNIQUE (account_id, number)
);
CREATE INDEX audit_digest_until ON audit_digest (until, account_id);
CREATE TRIGGER audit_digest_refuse_change BEFORE UPDATE OR DELETE ON audit_digest
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_digest_refuse_truncate BEFORE TRUNCATE ON audit_digest
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_digest ENABLE ALWAYS TRIGGER audit_digest_refuse_change;
ALTER TABLE audit_digest ENABLE ALWAYS TRIGGER audit_digest_refuse_truncate;
"""
STATE = [
    migrations.CreateModel(
        "Digest",
        [
            ("id", models.BigIntegerField(primary_key=True, serialize=False)),
            ("account_id", models.BigIntegerField()),
            ("number", models.BigIntegerField()),
            ("since", models.DateTimeField(null=True)),
            ("until", models.DateTimeField()),
            ("late_until", models.DateTimeField(null=True)),
            ("last_event", models.BigIntegerField()),
            ("document", models.TextField()),
        ],
        options={"db_table": "audit_digest", "managed": False},
    )
]


class Migration(migrations.Migration):
    dependencies = [("audit", "0007_verification_state")]
    operations = [migrations.RunSQL(DIGESTS, "DROP TABLE audit_digest", state_operations=STATE)]
