-- The different paths of the calls that audit_usage sums, by API and route, as outlines: each segment with a digit is `0`, so
-- that IDs make no rows. Of routes with variables, and of calls of no route (''). audit/usage/outlines.py writes them with the
-- sums. An `outline` of NULL stands for any path: those of the route are too many to keep. `last_day` is the last day with
-- such a call; rows go when that leaves the counted days.
CREATE TABLE audit_usage_path (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    api text NOT NULL,
    route text NOT NULL,
    outline text,
    last_day date NOT NULL
);
-- Hashes, because an index entry cannot hold the longest ones.
CREATE UNIQUE INDEX audit_usage_path_key ON audit_usage_path
    (api, hashtextextended(route, 0), hashtextextended(outline, 0)) NULLS NOT DISTINCT;
-- Of calls between these two the outlines are complete. They end where the sums end, unless a version without them
-- summed last.
ALTER TABLE audit_usage_state ADD COLUMN paths_since timestamptz, ADD COLUMN paths_until timestamptz;
