"""The audit trail, its chain head and the partitioned API log, as SQL: Django must neither change nor flush them."""

from __future__ import annotations

from django.db import migrations, models

REFUSE = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: what is logged stays as it was written', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
"""

# body is jsonb-safe text (audit.trail.record sees to it); the MAC covers its bytes, and the columns that pages filter
# by are generated from it, so that they cannot say anything else.
EVENTS = """
CREATE TABLE audit_event (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    body text NOT NULL,
    key_id integer NOT NULL,
    prev bytea NOT NULL,
    mac bytea NOT NULL,
    name text NOT NULL GENERATED ALWAYS AS (body::jsonb ->> 'event') STORED,
    account_id bigint GENERATED ALWAYS AS ((body::jsonb ->> 'account_id')::bigint) STORED,
    actor_kind text NOT NULL GENERATED ALWAYS AS (body::jsonb -> 'actor' ->> 'kind') STORED,
    actor_id text NOT NULL GENERATED ALWAYS AS (body::jsonb -> 'actor' ->> 'id') STORED,
    actor text NOT NULL GENERATED ALWAYS AS (body::jsonb -> 'actor' ->> 'label') STORED,
    target_kind text GENERATED ALWAYS AS (body::jsonb -> 'target' ->> 'kind') STORED,
    target_id text GENERATED ALWAYS AS (body::jsonb -> 'target' ->> 'id') STORED,
    target text GENERATED ALWAYS AS (body::jsonb -> 'target' ->> 'label') STORED,
    address inet GENERATED ALWAYS AS ((body::jsonb ->> 'address')::inet) STORED,
    request_id text GENERATED ALWAYS AS (body::jsonb ->> 'request_id') STORED
);
CREATE INDEX audit_event_account ON audit_event (account_id, seq DESC);
CREATE INDEX audit_event_target ON audit_event (target_kind, target_id, seq DESC);
CREATE TABLE audit_head (
    chain smallint PRIMARY KEY CHECK (chain = 1),
    seq bigint NOT NULL,
    mac bytea NOT NULL
);
INSERT INTO audit_head VALUES (1, 0, decode(repeat('00', 32), 'hex'));
CREATE TRIGGER audit_event_refuse_change BEFORE UPDATE OR DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_event_refuse_truncate BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_refuse_change BEFORE DELETE ON audit_head
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_head_refuse_truncate BEFORE TRUNCATE ON audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_change;
ALTER TABLE audit_event ENABLE ALWAYS TRIGGER audit_event_refuse_truncate;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_refuse_change;
ALTER TABLE audit_head ENABLE ALWAYS TRIGGER audit_head_refuse_truncate;
"""

# The row's identity is the request ID (UUIDv7). There is no unique index over it: a partitioned table could only have
# one together with the time, and it would cost a fourth index on the hottest table.
CALLS = """
CREATE TABLE audit_call (
    time timestamptz NOT NULL DEFAULT clock_timestamp(),
    request_id uuid NOT NULL,
    account_id bigint,
    account text NOT NULL,
    api text NOT NULL,
    key_id text NOT NULL,
    key_name text NOT NULL,
    owner text NOT NULL,
    credential text NOT NULL,
    method text NOT NULL,
    host text NOT NULL,
    path text NOT NULL,
    query text NOT NULL,
    module text NOT NULL,
    client_address inet,
    decision text NOT NULL CHECK (decision IN ('allowed', 'denied')),
    reason text NOT NULL CHECK ((reason = '') = (decision = 'allowed')),
    rule text NOT NULL,
    mask boolean NOT NULL,
    hlr boolean NOT NULL,
    proxy text NOT NULL,
    user_agent text NOT NULL,
    status integer,
    duration_ms double precision,
    bytes bigint,
    folded integer NOT NULL DEFAULT 1
) PARTITION BY RANGE (time);
CREATE INDEX audit_call_account ON audit_call (account_id, time DESC, request_id DESC);
CREATE INDEX audit_call_key ON audit_call (key_id, time DESC, request_id DESC);
CREATE INDEX audit_call_request ON audit_call (request_id);
CREATE TABLE audit_call_default PARTITION OF audit_call DEFAULT;
-- Statement triggers are not inherited: audit.calls.insert gives every further partition its own.
CREATE TRIGGER audit_call_default_refuse_truncate BEFORE TRUNCATE ON audit_call_default
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_call_default ENABLE ALWAYS TRIGGER audit_call_default_refuse_truncate;

-- The three late columns arrive once, from the proxy's access log: NULL to a value. Nothing else may ever change.
CREATE FUNCTION audit_call_late_columns_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status IS NULL AND OLD.duration_ms IS NULL AND OLD.bytes IS NULL) THEN
        OLD.status := NEW.status; OLD.duration_ms := NEW.duration_ms; OLD.bytes := NEW.bytes;
    END IF;
    IF OLD IS DISTINCT FROM NEW THEN
        RAISE EXCEPTION 'UPDATE on % is refused: what is logged stays as it was written', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_call_refuse_change BEFORE UPDATE ON audit_call
    FOR EACH ROW EXECUTE FUNCTION audit_call_late_columns_only();
CREATE TRIGGER audit_call_refuse_delete BEFORE DELETE ON audit_call
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_call_refuse_truncate BEFORE TRUNCATE ON audit_call
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_call ENABLE ALWAYS TRIGGER audit_call_refuse_change;
ALTER TABLE audit_call ENABLE ALWAYS TRIGGER audit_call_refuse_delete;
ALTER TABLE audit_call ENABLE ALWAYS TRIGGER audit_call_refuse_truncate;
"""


# What Django knows of the tables: audit.models, as they stand here.
STATE = [
    migrations.CreateModel(
        "Event",
        [
            ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
            ("at", models.DateTimeField()),
            ("body", models.TextField()),
            ("key_id", models.IntegerField(db_comment="number of the AUDIT_KEYS key")),
            ("prev", models.BinaryField()),
            ("mac", models.BinaryField()),
            ("name", models.TextField()),
            ("account_id", models.BigIntegerField(null=True)),
            ("actor_kind", models.TextField()),
            ("actor_id", models.TextField()),
            ("actor", models.TextField()),
            ("target_kind", models.TextField(null=True)),
            ("target_id", models.TextField(null=True)),
            ("target", models.TextField(null=True)),
            ("address", models.GenericIPAddressField(null=True)),
            ("request_id", models.TextField(null=True)),
        ],
        options={"db_table": "audit_event", "managed": False},
    ),
    migrations.CreateModel(
        "Call",
        [
            ("request_id", models.UUIDField(primary_key=True, serialize=False)),
            ("time", models.DateTimeField()),
            ("account_id", models.BigIntegerField(null=True)),
            ("account", models.TextField()),
            ("api", models.TextField()),
            ("key_id", models.TextField(db_comment="the key's API ID, empty when unknown")),
            ("key_name", models.TextField()),
            ("owner", models.TextField()),
            ("credential", models.TextField()),
            ("method", models.TextField()),
            ("host", models.TextField()),
            ("path", models.TextField()),
            ("query", models.TextField()),
            ("module", models.TextField()),
            ("client_address", models.GenericIPAddressField(null=True)),
            ("decision", models.TextField()),
            ("reason", models.TextField()),
            ("rule", models.TextField()),
            ("mask", models.BooleanField()),
            ("hlr", models.BooleanField()),
            ("proxy", models.TextField()),
            ("user_agent", models.TextField()),
            ("status", models.IntegerField(null=True)),
            ("duration_ms", models.FloatField(null=True)),
            ("bytes", models.BigIntegerField(null=True)),
            ("folded", models.IntegerField(db_comment="how many refusals this row stands for")),
        ],
        options={"db_table": "audit_call", "managed": False},
    ),
]


class Migration(migrations.Migration):
    initial = True
    operations = [migrations.RunSQL([REFUSE, EVENTS, CALLS], state_operations=STATE)]
