"""Compare the database objects under the trail and the log with what the migrations created.

The expected objects are part of the code, in audit/trail/objects.txt, because the database's owner can change anything
in the database. Each object is a line of text; `manage.py audit_objects` prints the current ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import Cursor

from audit.calls.partitions import parse_partition_month
from audit.calls.seals import get_next_month
from audit.trail.verdict import Problem

TABLES = (
    *("audit_event", "audit_head", "audit_call", "audit_rollup", "audit_digest", "audit_verification"),
    *("audit_rollup_total", "audit_usage", "audit_usage_day", "audit_usage_path", "audit_usage_state"),
)
OBJECTS_FILE = Path(__file__).with_name("objects.txt")
# The log's partitions must be like the log itself; only their bounds differ.
RELATIONS = """
    SELECT c.oid, c.relname, c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity,
        pg_get_expr(c.relpartbound, c.oid), coalesce(p.relname, '')
    FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = i.inhparent
    WHERE c.relnamespace = 'public'::regnamespace
        AND (c.relname = ANY(%(tables)s) OR p.relname = ANY(%(tables)s)) ORDER BY c.relname
"""
COLUMNS = """
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attidentity,
        a.attcollation <> t.typcollation, pg_get_expr(d.adbin, d.adrelid)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = ANY(%(oids)s) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
TRIGGERS = """
    SELECT tgrelid, tgname, tgenabled, tgtype, tgattr::text, pg_get_expr(tgqual, tgrelid),
        p.pronamespace::regnamespace::text, p.proname
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE tgrelid = ANY(%(oids)s) AND NOT tgisinternal
    ORDER BY tgname
"""
# Without NOT NULL constraints, which PostgreSQL 18 lists here; COLUMNS has them.
CONSTRAINTS = """
    SELECT conrelid, conname, contype, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = ANY(%(oids)s) AND contype <> 'n' ORDER BY conname
"""
RULES = """
    SELECT ev_class, 'rule ' || rulename FROM pg_rewrite WHERE ev_class = ANY(%(oids)s)
    UNION ALL SELECT polrelid, 'policy ' || polname FROM pg_policy WHERE polrelid = ANY(%(oids)s)
    UNION ALL SELECT inhparent, 'child ' || inhrelid::regclass::text FROM pg_inherits
        WHERE inhparent = ANY(%(oids)s) AND inhparent <> coalesce(to_regclass('public.audit_call'), 0)
    ORDER BY 2
"""
FUNCTIONS = """
    SELECT proname, pg_get_function_identity_arguments(p.oid), l.lanname, provolatile, prosecdef, proisstrict,
        coalesce(proconfig::text, ''), prosrc
    FROM pg_proc p JOIN pg_language l ON l.oid = prolang
    WHERE pronamespace = 'public'::regnamespace AND proname LIKE 'audit\\_%%' ORDER BY 1, 2
"""
# Relations that a search_path could find before ours, and settings that change what our statements do.
SHADOWS = """
    SELECT 'relation ' || c.relnamespace::regnamespace || '.' || c.relname FROM pg_class c
    WHERE c.relname = ANY(%(tables)s) AND c.relnamespace <> 'public'::regnamespace AND c.relpersistence <> 't'
    UNION ALL
    SELECT 'setting ' || setting || ' of ' || CASE WHEN s.setrole = 0 THEN 'every role' ELSE r.rolname END
    FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) AS setting
    WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        AND (s.setrole = 0 OR r.rolname IN (current_user, %(role)s))
        AND split_part(setting, '=', 1) IN ('search_path', 'session_replication_role', 'row_security')
    ORDER BY 1
"""
# Effective privileges of the application's role, however granted; then write privileges of other roles.
RIGHTS = """
    SELECT format('%%s on %%s', lower(r), c.relname)
    FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS r
    WHERE c.oid = ANY(%(oids)s) AND has_table_privilege(%(role)s, c.oid, r)
    UNION ALL
    SELECT format('%%s (%%s) on %%s', lower(r), a.attname, c.relname)
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS r
    WHERE c.oid = ANY(%(oids)s) AND has_column_privilege(%(role)s, c.oid, a.attnum, r)
        AND NOT has_table_privilege(%(role)s, c.oid, r)
    ORDER BY 1
"""
OTHERS = """
    SELECT DISTINCT format('%%s on %%s by %%s', lower(x.privilege_type), c.relname,
        CASE WHEN x.grantee = 0 THEN 'everybody' ELSE pg_get_userbyid(x.grantee) END)
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid,
        LATERAL (SELECT * FROM aclexplode(c.relacl) UNION ALL SELECT * FROM aclexplode(a.attacl)) AS x
    WHERE c.oid = ANY(%(oids)s) AND x.privilege_type <> 'SELECT' AND x.grantee <> c.relowner
        AND (x.grantee = 0 OR pg_get_userbyid(x.grantee) <> %(role)s)
    ORDER BY 1
"""
POWERS = """
    SELECT array_remove(ARRAY[
        CASE WHEN rolsuper THEN 'superuser' END, CASE WHEN rolbypassrls THEN 'bypassrls' END,
        CASE WHEN pg_has_role(rolname, c.relowner, 'MEMBER') THEN 'member of the owner' END], NULL)
    FROM pg_roles, pg_class c WHERE rolname = %(role)s AND c.oid = to_regclass('public.audit_event')
"""


def check_objects(cursor: Cursor, role: str) -> list[Problem]:
    """Return the differences between the expected and the current objects. `role` is the application's. If it is the
    owner itself, as in an installation with a single role, privileges are not compared."""
    current, expected = list(describe_objects(cursor, role)), read_expected_objects()
    if not any(line.startswith("right ") for line in current):
        expected = frozenset(line for line in expected if not line.startswith("right "))
    missing, added = sorted(expected - set(current)), [line for line in current if line not in expected]
    return [Problem(f"the database no longer has: {line}") for line in missing] + [
        Problem(f"the database has what the migrations did not make: {line}") for line in added
    ]


@cache
def read_expected_objects() -> frozenset[str]:
    """Return the lines of objects.txt."""
    return frozenset(OBJECTS_FILE.read_text(encoding="utf-8").splitlines())


def describe_objects(cursor: Cursor, role: str) -> Iterator[str]:
    """Yield a line for each object; partitions only as far as they differ from the log. `cursor` must have the settings
    of core.replica.snapshot."""
    cursor.execute("SET LOCAL quote_all_identifiers = off")
    relations = _fetch_rows(cursor, RELATIONS, {"tables": list(TABLES)})
    tables = _describe_tables(cursor, {oid: "audit_call" if parent else name for oid, name, *_, parent in relations})
    log_lines = next((set(tables[oid]) for oid, name, *_ in relations if name == "audit_call"), set())
    for oid, name, kind, persistence, secured, forced, bounds, parent in relations:
        lines = tables[oid]
        if not parent:
            yield f"table {name}: {kind}{persistence}" + " row security" * (secured or forced)
            yield from lines
            continue
        # The TRUNCATE trigger is not inherited from the parent and has a name of its own.
        own_lines = [line.replace(f"trigger {name}_", "trigger audit_call_") for line in lines]
        if (kind, persistence, secured or forced) != ("r", "p", False) or set(own_lines) != log_lines:
            differing = sorted(set(own_lines) ^ log_lines)
            yield f"partition {name}: unlike audit_call: {'; '.join(differing) or 'its kind'}"
        # Partitions of months come and go; DEFAULT must always exist.
        if bounds != _build_bounds(name) or bounds == "DEFAULT":
            yield f"partition {name}: {bounds}"
    for name, arguments, *facts, source in _fetch_rows(cursor, FUNCTIONS, {}):
        digest = hashlib.sha256(source.encode()).hexdigest()
        yield f"function {name}({arguments}): {' '.join(map(str, facts))} {digest}"
    values = {"tables": list(TABLES), "oids": [relation[0] for relation in relations], "role": role}
    for (line,) in _fetch_rows(cursor, SHADOWS, values):
        yield line
    ((current,),) = _fetch_rows(cursor, "SELECT current_user", {})
    if role == current:
        return
    for (line,) in _fetch_rows(cursor, RIGHTS, values):
        yield f"right of the application: {line}"
    for (line,) in _fetch_rows(cursor, OTHERS, values):
        yield f"a right of others: {line}"
    for (powers,) in _fetch_rows(cursor, POWERS, values):
        if powers:
            yield f"power of the application: {', '.join(powers)}"


def _describe_tables(cursor: Cursor, names: dict[int, str]) -> dict[int, list[str]]:
    """Return the lines for columns, triggers, constraints and rules by the relation's OID; one query for each kind."""
    lines: dict[int, list[str]] = {oid: [] for oid in names}
    values = {"oids": list(names)}
    for oid, column, kind, not_null, generated, identity, collated, expression in _fetch_rows(cursor, COLUMNS, values):
        flags = " not null" * not_null + " identity" * bool(identity) + " collated" * collated
        default = {"s": "generated as", "v": "virtual as", "": "default"}.get(generated, generated)
        value = f" {default} {_collapse_whitespace(expression)}" if expression else ""
        lines[oid].append(f"column {names[oid]}.{column}: {kind}{flags}{value}")
    for oid, trigger, enabled, kind, columns, condition, schema, function in _fetch_rows(cursor, TRIGGERS, values):
        when = f" when {_collapse_whitespace(condition)}" if condition else ""
        lines[oid].append(f"trigger {trigger} on {names[oid]}: {enabled} {kind} {columns}{when} {schema}.{function}")
    for oid, constraint, kind, valid, definition in _fetch_rows(cursor, CONSTRAINTS, values):
        name, text = _normalize_name(constraint), _collapse_whitespace(definition)
        lines[oid].append(f"constraint {name} on {names[oid]}: {kind} {valid} {text}")
    for oid, line in _fetch_rows(cursor, RULES, values):
        lines[oid].append(f"{line} on {names[oid]}")
    return lines


def _normalize_name(constraint: str) -> str:
    """Return the name of a partition's constraint as that of the log's."""
    return re.sub(r"^audit_call_(default|[0-9]{4}_[0-9]{2})_", "audit_call_", constraint)


def _collapse_whitespace(expression: str) -> str:
    """Return the expression on one line."""
    return " ".join(expression.split())


def _build_bounds(name: str) -> str | None:
    """Return the bounds that a partition of this name must have; None if it is not a name of ours."""
    month = parse_partition_month(name)
    if month is None:
        return "DEFAULT" if name == "audit_call_default" else None
    first, last = (f"'{time:%Y-%m-%d} 00:00:00+00'" for time in (month, get_next_month(month)))
    return f"FOR VALUES FROM ({first}) TO ({last})"


def _fetch_rows(cursor: Cursor, statement: str, values: Any) -> list[tuple[Any, ...]]:
    cursor.execute(statement, values)
    return cursor.fetchall()
