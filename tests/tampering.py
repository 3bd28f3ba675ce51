"""Ways to tamper with the trail and the API log, as SQL: by the database's owner, and by the application's role.

`{seq}` is an event and `{call}` a call's request ID, `{month}` the partition that it lies in; `{n}` counts the places.
What the owner changes in tables is done with the guards off, which are on again before anybody looks.
"""

from __future__ import annotations

CALL = "WHERE request_id = '{call}'"
COLUMNS = (
    "request_id, account_id, account, api, key_id, key_name, owner, credential, method, host, path, query, module, "
    "client_address, decision, reason, rule, mask, hlr, proxy, user_agent, status, duration_ms, bytes, folded, "
    "old_secret"
)
COPY = f"INSERT INTO audit_call (time, {COLUMNS}) SELECT %s, {COLUMNS} FROM audit_call {CALL}"
AT = "(SELECT time FROM audit_call WHERE request_id = '{call}')"

EVENTS = {
    "a body changed": "UPDATE audit_event SET body = replace(body, 'bob@', 'eve@') WHERE seq = {seq}",
    "white space added to a body": "UPDATE audit_event SET body = body || ' ' WHERE seq = {seq}",
    "an escape put into a body": r"UPDATE audit_event SET body = replace(body, 'bob', '\u0062ob') WHERE seq = {seq}",
    "an event's time changed": "UPDATE audit_event SET at = at + interval '1 microsecond' WHERE seq = {seq}",
    "an event's key changed": "UPDATE audit_event SET key_id = key_id + 1 WHERE seq = {seq}",
    "a link changed": "UPDATE audit_event SET prev = sha256(prev) WHERE seq = {seq}",
    "a MAC changed": "UPDATE audit_event SET mac = sha256(mac) WHERE seq = {seq}",
    "a MAC shortened": "UPDATE audit_event SET mac = substr(mac, 1, 31) WHERE seq = {seq}",
    "an event deleted": "DELETE FROM audit_event WHERE seq = {seq}",
    "an event copied to the end": "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) "
    "SELECT (SELECT max(seq) + 1 FROM audit_event), at, body, key_id, prev, mac FROM audit_event WHERE seq = {seq}",
    "an event put before the first": "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) "
    "SELECT -{n}, at, body, key_id, prev, mac FROM audit_event WHERE seq = {seq}",
    "two bodies swapped": "UPDATE audit_event e SET body = o.body FROM audit_event o "
    "WHERE e.seq IN ({seq}, {seq} + 1) AND o.seq IN ({seq}, {seq} + 1) AND o.seq <> e.seq",
    "an event deleted and the rest renumbered": "DELETE FROM audit_event WHERE seq = {seq}; "
    "UPDATE audit_event SET seq = seq - 1 + 1000000 WHERE seq > {seq}; "
    "UPDATE audit_event SET seq = seq - 1000000 WHERE seq > 1000000; UPDATE audit_head SET seq = seq - 1",
    "the tail cut": "DELETE FROM audit_event WHERE seq >= {seq}",
    "the tail cut and the head set back": "DELETE FROM audit_event WHERE seq > {seq}; "
    "UPDATE audit_head SET seq = e.seq, mac = e.mac FROM audit_event e WHERE e.seq = {seq}",
    "the head set back alone": "UPDATE audit_head SET seq = e.seq, mac = e.mac FROM audit_event e WHERE e.seq = {seq}",
    "the head deleted": "DELETE FROM audit_head WHERE {seq} > 0",
}
# A column that pages and filters read, made plain and changed; on PostgreSQL 17 also another expression for one event.
GENERATED = {
    "actor": "'eve@acme.example'",
    "actor_id": "'9'",
    "account_id": "7",
    "name": "'user.signed_out'",
    "target": "'Another'",
    "target_id": "'zzzzzzzzzzzz'",
    "address": "'198.51.100.9'",
    "request_id": "'r-9'",
    "number": "99",
}
CALLS = {
    "a call's path changed": f"UPDATE audit_call SET path = '/other' {CALL}",
    "a call's address changed": f"UPDATE audit_call SET client_address = '198.51.100.1' {CALL}",
    "an address's prefix changed": f"UPDATE audit_call SET client_address = set_masklen(client_address, 31) {CALL}",
    "a status changed": f"UPDATE audit_call SET status = 500 {CALL}",
    "a duration changed": f"UPDATE audit_call SET duration_ms = duration_ms + 0.1 {CALL}",
    "a size changed": f"UPDATE audit_call SET bytes = bytes + 1 {CALL}",
    "late columns emptied": f"UPDATE audit_call SET status = NULL, duration_ms = NULL, bytes = NULL {CALL}",
    "a call denied afterwards": f"UPDATE audit_call SET decision = 'denied', reason = 'key_expired' {CALL}",
    "a call given to another account": f"UPDATE audit_call SET account_id = 99, account = 'other' {CALL}",
    "a call hidden among folded ones": f"UPDATE audit_call SET folded = 2 {CALL}",
    "a call moved in time": f"UPDATE audit_call SET time = time + interval '1 microsecond' {CALL}",
    "a request ID changed": f"UPDATE audit_call SET request_id = gen_random_uuid() {CALL}",
    "a key's name changed": f"UPDATE audit_call SET key_name = 'Other' {CALL}",
    "a call deleted": f"DELETE FROM audit_call {CALL}",
    "a call written twice": COPY % AT,
    "a call invented in a sealed hour": COPY % f"{AT} + interval '1 second'",
    "a call invented before the first seal": COPY % f"{AT} - interval '100 days'",
    "a call dated in the future": COPY % "clock_timestamp() + ({n} + 1) * interval '1 hour'",
    "a call dated before all time": COPY % "'-infinity'::timestamptz",
    "a call in a month that was dropped": COPY % "'{dropped}'::timestamptz + {n} * interval '1 day'",
    "a month emptied": "ALTER TABLE {month} DISABLE TRIGGER ALL; DELETE FROM {month}; "
    "ALTER TABLE {month} ENABLE ALWAYS TRIGGER audit_call_refuse_change; "
    "ALTER TABLE {month} ENABLE ALWAYS TRIGGER audit_call_refuse_delete; "
    "ALTER TABLE {month} ENABLE ALWAYS TRIGGER {month}_refuse_truncate",
    "a month detached": "ALTER TABLE audit_call DETACH PARTITION {month}",
    "a month replaced by a copy without a call": "CREATE TABLE aside (LIKE audit_call INCLUDING ALL); "
    "INSERT INTO aside SELECT * FROM {month} WHERE request_id <> '{call}'; "
    "ALTER TABLE audit_call DETACH PARTITION {month}; ALTER TABLE {month} RENAME TO old_month; "
    "ALTER TABLE aside RENAME TO {month}; "
    "ALTER TABLE audit_call ATTACH PARTITION {month} FOR VALUES FROM ('{begins}') TO ('{ends}')",
}
HOUR = "WHERE hour = date_trunc('hour', " + AT + ", 'UTC')"
SUMS = {
    "a sum changed": f"UPDATE audit_rollup SET calls = calls + 1 {HOUR}",
    "a sum's rows changed": f"UPDATE audit_rollup SET rows = rows + 1 {HOUR}",
    "a sum deleted": f"DELETE FROM audit_rollup {HOUR}",
    "a sum written twice": f"INSERT INTO audit_rollup SELECT * FROM audit_rollup {HOUR}",
    "a sum given to another key": f"UPDATE audit_rollup SET key_id = 'zzzzzzzzzzzz' {HOUR}",
    "a sum invented where nothing is sealed": "INSERT INTO audit_rollup SELECT hour + interval '400 days', account_id, "
    f"api, key_id, reason, rows, calls FROM audit_rollup {HOUR}",
    "a sum over all keys changed": f"UPDATE audit_rollup_total SET calls = calls + 1 {HOUR}",
    "a sum over all keys deleted": f"DELETE FROM audit_rollup_total {HOUR}",
    "a sum over all keys written twice": f"INSERT INTO audit_rollup_total SELECT * FROM audit_rollup_total {HOUR}",
    "a sum over all keys invented where nothing is sealed": "INSERT INTO audit_rollup_total SELECT hour + interval "
    f"'400 days', account_id, api, reason, rows, calls FROM audit_rollup_total {HOUR}",
}
# Places are what each is done to, in turn.
GUARDS = (
    ("audit_event", "audit_event_refuse_change"),
    ("audit_event", "audit_event_refuse_truncate"),
    ("audit_head", "audit_head_refuse_change"),
    ("audit_head", "audit_head_refuse_truncate"),
    ("audit_digest", "audit_digest_refuse_change"),
    ("audit_digest", "audit_digest_refuse_truncate"),
    ("audit_call", "audit_call_refuse_change"),
    ("audit_call", "audit_call_refuse_delete"),
    ("audit_call", "audit_call_refuse_truncate"),
    ("{month}", "audit_call_refuse_change"),
    ("{month}", "audit_call_refuse_delete"),
    ("{month}", "{month}_refuse_truncate"),
)
OBJECTS: dict[str, tuple[str, ...]] = {
    "a guard turned off": tuple(f"ALTER TABLE {table} DISABLE TRIGGER {guard}" for table, guard in GUARDS),
    "a guard that replication passes by": tuple(
        f"ALTER TABLE {table} ENABLE TRIGGER {guard}" for table, guard in GUARDS
    ),
    "a guard dropped": (
        *(f"DROP TRIGGER {guard} ON {table}" for table, guard in GUARDS if table[0] != "{"),
        "DROP TRIGGER {month}_refuse_truncate ON {month}",
    ),
    "a guard that does nothing": tuple(
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
        for name in ("audit_refuse", "audit_call_late_columns_only")
    ),
    "a guard that begins later": tuple(
        f"DROP TRIGGER {guard} ON {table}; CREATE TRIGGER {guard} {when} ON {table} FOR EACH ROW WHEN (false) "
        f"EXECUTE FUNCTION audit_refuse(); ALTER TABLE {table} ENABLE ALWAYS TRIGGER {guard}"
        for table, guard, when in (
            ("audit_event", "audit_event_refuse_change", "BEFORE UPDATE OR DELETE"),
            ("audit_call", "audit_call_refuse_delete", "BEFORE DELETE"),
        )
    ),
    "a trigger of one's own": tuple(
        "CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$; "
        f"CREATE TRIGGER mine BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION mine()"
        for table in ("audit_event", "audit_call", "audit_head", "audit_rollup", "audit_verification", "{month}")
    ),
    "a rule of one's own": tuple(
        f"CREATE RULE mine AS ON INSERT TO {table} DO INSTEAD NOTHING"
        for table in ("audit_event", "audit_call", "audit_head", "audit_rollup", "audit_verification", "{month}")
    ),
    "rows hidden by a policy": (
        *(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON {table} USING ({column} IS NULL)"
            for table, column in (("audit_event", "name"), ("audit_call", "path"), ("audit_rollup", "api"))
        ),
        "ALTER TABLE audit_event FORCE ROW LEVEL SECURITY",
    ),
    "a view in a table's place": tuple(
        f"ALTER TABLE {table} RENAME TO aside; CREATE VIEW {table} AS SELECT * FROM aside"
        for table in ("audit_event", "audit_head", "audit_rollup", "audit_verification")
    ),
    "a table in front, by the search path": tuple(
        f"CREATE SCHEMA mine; CREATE TABLE mine.{table} (LIKE public.{table}); "
        "ALTER DATABASE {database} SET search_path = mine, public"
        for table in ("audit_event", "audit_call", "audit_head", "audit_rollup", "audit_verification")
    ),
    "a check dropped": tuple(
        f"ALTER TABLE {table} DROP CONSTRAINT {name}"
        for table, name in (
            ("audit_call", "audit_call_reason"),
            ("audit_call", "audit_call_decision_check"),
            ("audit_head", "audit_head_chain_check"),
            ("audit_verification", "audit_verification_one_check"),
            ("audit_event", "audit_event_pkey"),
            ("audit_head", "audit_head_pkey"),
        )
    ),
    "a column that may be empty": tuple(
        f"ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL"
        for table, name in (
            ("audit_call", "time"),
            ("audit_call", "path"),
            ("audit_call", "decision"),
            ("audit_call", "mask"),
            ("audit_event", "name"),
            ("audit_event", "mac"),
            ("audit_event", "body"),
            ("audit_rollup", "calls"),
        )
    ),
    "a default of one's own": tuple(
        f"ALTER TABLE {table} ALTER COLUMN {name} SET DEFAULT {value}"
        for table, name, value in (
            ("audit_call", "time", "now() - interval '1 year'"),
            ("audit_call", "folded", "2"),
            ("{month}", "folded", "2"),
            ("audit_call", "status", "200"),
            ("audit_rollup", "calls", "0"),
        )
    ),
    "a column added": tuple(
        f"ALTER TABLE {table} ADD COLUMN mine text"
        for table in ("audit_event", "audit_call", "audit_head", "audit_rollup", "audit_verification")
    ),
    "a column of another type": tuple(
        f"ALTER TABLE audit_rollup ALTER COLUMN {name} TYPE {kind}"
        for name, kind in (("calls", "numeric"), ("rows", "numeric"), ("api", "varchar(64)"), ("key_id", "varchar(64)"))
    ),
    "a filter's function that says other things": (
        "CREATE OR REPLACE FUNCTION audit_hide(given text, digits integer, side text) RETURNS text LANGUAGE plpgsql "
        "IMMUTABLE STRICT PARALLEL SAFE AS $$ BEGIN RETURN given; END $$",
        "ALTER FUNCTION audit_hide(text, integer, text) VOLATILE",
        "CREATE FUNCTION audit_hide(given text, digits bigint, side text) RETURNS text LANGUAGE sql AS 'SELECT given'",
    ),
    "a right for the application": tuple(
        f"GRANT {right} TO {{role}}"
        for right in (
            "UPDATE ON audit_event",
            "DELETE ON audit_event",
            "TRUNCATE ON audit_event",
            "DELETE ON audit_head",
            "INSERT ON audit_head",
            "UPDATE ON audit_call",
            "DELETE ON audit_call",
            "TRUNCATE ON audit_call",
            "INSERT (time) ON audit_call",
            "UPDATE (path) ON audit_call",
            "INSERT (status) ON audit_call",
            "UPDATE ON audit_rollup",
            "DELETE ON audit_rollup",
            "UPDATE ON audit_digest",
            "DELETE ON audit_digest",
            "INSERT ON audit_verification",
            "UPDATE ON audit_verification",
            "DELETE ON audit_verification",
            "SELECT ON {month}",
            "DELETE ON {month}",
            "TRIGGER ON audit_event",
            "REFERENCES ON audit_event",
        )
    ),
    "a right for everybody": tuple(
        f"GRANT {right} TO PUBLIC"
        for right in (
            "UPDATE ON audit_event",
            "INSERT ON audit_event",
            "DELETE ON audit_call",
            "UPDATE (path) ON audit_call",
            "ALL ON audit_head",
            "ALL ON {month}",
            "INSERT ON audit_rollup",
        )
    ),
    "a table given to the application": tuple(
        f"ALTER TABLE {table} OWNER TO {{role}}"
        for table in ("audit_event", "audit_head", "audit_rollup", "audit_verification", "{month}")
    ),
    "a right taken, so that nothing is logged": tuple(
        f"REVOKE {right} FROM {{role}}"
        for right in ("INSERT ON audit_event", "INSERT (path) ON audit_call", "SELECT ON audit_event")
    ),
    "a month's bounds moved": (
        "ALTER TABLE audit_call DETACH PARTITION {month}; "
        "ALTER TABLE audit_call ATTACH PARTITION {month} FOR VALUES FROM ('{begins}') TO ('{ends}'::timestamptz - "
        "interval '1 second')",
        "ALTER TABLE {month} RENAME TO audit_call_other",
    ),
    "no place for calls without a month": (
        "ALTER TABLE audit_call DETACH PARTITION audit_call_default",
        "DROP TABLE audit_call_default",
    ),
}
NEEDS_SUPERUSER = ("a table given to the application",)

# What the application's role may try. All are refused, or found by who verifies afterwards.
APPLICATION = (
    "UPDATE audit_event SET body = replace(body, 'bob@', 'eve@')",
    "UPDATE audit_event SET at = now()",
    "UPDATE audit_event SET mac = prev",
    "UPDATE audit_event SET actor = 'eve'",
    "DELETE FROM audit_event",
    "TRUNCATE audit_event",
    "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) SELECT seq + 1000, at, body, key_id, prev, mac "
    "FROM audit_event",
    "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) SELECT h.seq + 1, at, body, key_id, h.mac, e.mac "
    "FROM audit_event e, audit_head h LIMIT 1",
    "INSERT INTO audit_event (seq, at, body, key_id, prev, mac) SELECT 0, at, body, key_id, prev, mac "
    "FROM audit_event LIMIT 1",
    "INSERT INTO audit_event (seq, at, body, key_id, prev, mac, actor) SELECT 999999, at, body, key_id, prev, mac, 'e' "
    "FROM audit_event LIMIT 1",
    "UPDATE audit_head SET seq = seq - 1",
    "UPDATE audit_head SET mac = sha256(mac)",
    "DELETE FROM audit_head",
    "INSERT INTO audit_head SELECT 2, seq, mac FROM audit_head",
    "TRUNCATE audit_head",
    f"INSERT INTO audit_call (time, {COLUMNS}) SELECT time - interval '1 year', {COLUMNS} FROM audit_call LIMIT 1",
    f"INSERT INTO audit_call (time, {COLUMNS}) SELECT now() + interval '1 day', {COLUMNS} FROM audit_call LIMIT 1",
    f"INSERT INTO audit_call ({COLUMNS}) SELECT {COLUMNS} FROM audit_call LIMIT 1",
    "INSERT INTO audit_call SELECT * FROM audit_call LIMIT 1",
    "COPY audit_call (time) FROM STDIN",
    "UPDATE audit_call SET path = '/'",
    "UPDATE audit_call SET time = time - interval '1 day'",
    "UPDATE audit_call SET folded = 2",
    "UPDATE audit_call SET status = 200, duration_ms = 1, bytes = 1 WHERE time < now() - interval '49 hours'",
    "UPDATE audit_call SET status = 500 WHERE status IS NOT NULL",
    "UPDATE audit_call SET status = NULL, duration_ms = NULL, bytes = NULL WHERE status IS NOT NULL",
    "DELETE FROM audit_call",
    "TRUNCATE audit_call",
    "DELETE FROM audit_call_default",
    "INSERT INTO audit_call_default SELECT * FROM audit_call LIMIT 1",
    "DELETE FROM audit_rollup",
    "UPDATE audit_rollup SET calls = 0",
    "INSERT INTO audit_rollup SELECT * FROM audit_rollup LIMIT 1",
    "INSERT INTO audit_rollup SELECT now() - interval '2 years', 1, 'billing', '', '', 5, 5",
    "UPDATE audit_verification SET body = '{}'",
    "DELETE FROM audit_verification",
    "TRUNCATE audit_verification",
    "ALTER TABLE audit_event DISABLE TRIGGER ALL",
    "ALTER TABLE audit_event ALTER COLUMN actor DROP EXPRESSION",
    "ALTER TABLE audit_call ALTER COLUMN time SET DEFAULT now() - interval '1 day'",
    "DROP TRIGGER audit_event_refuse_change ON audit_event",
    "DROP TABLE audit_call",
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TABLE public.planted (LIKE audit_event)",
    "CREATE SCHEMA mine",
    "SET session_replication_role = replica",
    "SET ROLE {owner}",
    "ALTER TABLE audit_event OWNER TO {role}",
    "CREATE RULE mine AS ON INSERT TO audit_event DO INSTEAD NOTHING",
    "ALTER TABLE audit_call DETACH PARTITION audit_call_default",
    "ALTER DATABASE {database} SET search_path = mine",
)
