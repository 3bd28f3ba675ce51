-- The audit trail and the head of its chain. `body` is canonical JSON (audit/trail/record.py), which the MAC covers; the
-- columns that pages filter by are generated from it, so that they cannot say anything else. `number` counts within the
-- account, or among the installation's own events.
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
    request_id text GENERATED ALWAYS AS (body::jsonb ->> 'request_id') STORED,
    number bigint GENERATED ALWAYS AS ((body::jsonb ->> 'number')::bigint) STORED
);
CREATE INDEX audit_event_account ON audit_event (account_id, seq DESC);
CREATE INDEX audit_event_target ON audit_event (target_kind, target_id, seq DESC);
-- They find the last number of an account, and the few events of the installation that an account's trail shows.
CREATE INDEX audit_event_number ON audit_event (account_id, number);
CREATE INDEX audit_event_installation ON audit_event (name, seq DESC) WHERE account_id IS NULL;
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
