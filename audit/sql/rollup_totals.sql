-- Sums of audit_rollup over all keys of an account, which charts without a filter for a key read. Derived: an hour that is
-- missing at the end is read from audit_rollup, and summed when the next hour is sealed.
CREATE TABLE audit_rollup_total (
    hour timestamptz NOT NULL,
    account_id bigint,
    api text NOT NULL,
    reason text NOT NULL,
    rows bigint NOT NULL,
    calls bigint NOT NULL
);
CREATE INDEX audit_rollup_total_account ON audit_rollup_total (account_id, hour) INCLUDE (api, reason, calls);
CREATE INDEX audit_rollup_total_hour ON audit_rollup_total (hour);
