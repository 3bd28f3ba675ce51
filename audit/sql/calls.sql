-- The API log, partitioned by month. The row's identity is the request ID (UUIDv7). There is no unique index over it: a
-- partitioned table could only have one together with the time, and it would cost a fourth index on the hottest table.
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
    reason text NOT NULL,
    rule text NOT NULL,
    mask boolean NOT NULL,
    hlr boolean NOT NULL,
    proxy text NOT NULL,
    user_agent text NOT NULL,
    status integer,
    duration_ms double precision,
    bytes bigint,
    folded integer NOT NULL DEFAULT 1,
    -- Whether the secret that matched was the old one of a changed key.
    old_secret boolean NOT NULL DEFAULT false,
    -- CORS preflights are allowed without a key, and that is their reason.
    CONSTRAINT audit_call_reason CHECK ((reason IN ('', 'preflight')) = (decision = 'allowed'))
) PARTITION BY RANGE (time);
CREATE INDEX audit_call_account ON audit_call (account_id, time DESC, request_id DESC);
CREATE INDEX audit_call_key ON audit_call (key_id, time DESC, request_id DESC);
CREATE INDEX audit_call_request ON audit_call (request_id);
CREATE TABLE audit_call_default PARTITION OF audit_call DEFAULT;
-- An hour of the log is read by its time, in which rows arrive: a few pages for gigabytes, nothing to keep per call.
-- audit/calls/partitions.py makes the index of every further partition under the same name.
CREATE INDEX audit_call_time ON ONLY audit_call USING brin (time) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX audit_call_default_time ON audit_call_default
    USING brin (time) WITH (pages_per_range = 32, autosummarize = on);
ALTER INDEX audit_call_time ATTACH PARTITION audit_call_default_time;
-- Statement triggers are not inherited: audit.calls.partitions gives every further partition its own.
CREATE TRIGGER audit_call_default_refuse_truncate BEFORE TRUNCATE ON audit_call_default
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
ALTER TABLE audit_call_default ENABLE ALWAYS TRIGGER audit_call_default_refuse_truncate;

-- The three late columns arrive once, from the proxy's access log: NULL to a value, within 48 hours; from then on
-- audit/calls/seals.py seals them. clock_timestamp(), not the statement's or the transaction's time: the sealer waits for
-- the statements under way, and what begins later must find the later time.
CREATE FUNCTION audit_call_late_columns_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status IS NULL AND OLD.duration_ms IS NULL AND OLD.bytes IS NULL
        AND OLD.time > clock_timestamp() - interval '48 hours') THEN
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
