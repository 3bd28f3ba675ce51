-- Signed digests of each account's calls and events by the hour; added to, never changed. `document` is the file as it is
-- given out, `late_until` how far it and those before it cover the columns of calls that arrive late, `last_event` the
-- last event of the chain that they cover.
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
