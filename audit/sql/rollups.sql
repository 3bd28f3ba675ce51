-- Sums of sealed hours. `reason` is empty for allowed calls; `calls` counts what folded rows stand for.
CREATE TABLE audit_rollup (
    hour timestamptz NOT NULL,
    account_id bigint,
    api text NOT NULL,
    key_id text NOT NULL,
    reason text NOT NULL,
    rows bigint NOT NULL,
    calls bigint NOT NULL
);
CREATE INDEX audit_rollup_account ON audit_rollup (account_id, hour);
CREATE INDEX audit_rollup_key ON audit_rollup (key_id, hour);
CREATE INDEX audit_rollup_hour ON audit_rollup (hour);
