-- Each key's calls by address, route and outcome, summed from sealed hours of the API log by audit/usage/roll_up.py. Derived, no
-- evidence: manage.py rebuild_usage makes it anew.
--
-- `calls` are those since the start of the day 30 days before audit_usage_state.until; a row whose calls are all older has
-- none, and stays for its last_seen as long as the log keeps that month. `route` is as the log names it
-- (`GET /customers/{id}`), empty for a route of no module, 'whoami' for a question about the key itself; for calls refused
-- before routes are looked at, it is the route that path and query matched when they were summed. `client_address` is NULL,
-- and `route` and `module` are empty, where no secret matched: whoever knows an API ID could otherwise fill the table.
CREATE TABLE audit_usage (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL,
    key_id text NOT NULL,
    api text NOT NULL,
    client_address inet,
    credential text NOT NULL,
    route text NOT NULL,
    module text NOT NULL,
    reason text NOT NULL,
    old_secret boolean NOT NULL,
    last_seen timestamptz NOT NULL,
    calls bigint NOT NULL
) WITH (fillfactor = 80);
-- The hash of the route, because an index entry cannot hold the longest ones.
CREATE UNIQUE INDEX audit_usage_key ON audit_usage
    (key_id, api, client_address, credential, hashtextextended(route, 0), module, reason, old_secret) NULLS NOT DISTINCT;
CREATE INDEX audit_usage_account ON audit_usage (account_id, client_address);
-- How many of a row's calls each day had, so that they can be subtracted when the day leaves the 30 days.
CREATE TABLE audit_usage_day (
    day date NOT NULL,
    usage_id bigint NOT NULL,
    calls bigint NOT NULL,
    PRIMARY KEY (day, usage_id)
) WITH (fillfactor = 80);
-- How far the log has been summed, one row.
CREATE TABLE audit_usage_state (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    until timestamptz
);
INSERT INTO audit_usage_state DEFAULT VALUES;
