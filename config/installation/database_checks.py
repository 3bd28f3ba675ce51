"""The checks of `keyward doctor` in the database: roles, schema, privileges, and the results of `maintain`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections, transaction

from audit.calls.partitions import build_coming_partitions
from audit.trail import verification_state
from audit.trail.database_objects import check_objects
from audit.trail.last_verification import STATE_QUERY, parse_last_verification
from config.database_roles import get_application_role
from config.databases import SESSION_SETTINGS
from config.serve import preflight
from core.program import PROGRAM
from core.replica import pin_settings

MIN_VERSION = 15
MAX_NAMED = 20
AWAY = "The database of"
# Pages of the log show how far the replica is behind.
MAX_REPLICA_LAG = timedelta(minutes=1)
DURABLE = ("on", "remote_apply")
CONFIGURE = f"run {PROGRAM} configure_role, then RECONNECT in PgBouncer's console"


def check_roles() -> list[str]:
    """Return problems of the server and of the two roles' attributes."""
    problems = []
    if (version := int(_fetch("default", "SHOW server_version_num")) // 10000) < MIN_VERSION:
        problems.append(f"PostgreSQL is version {version}: it must be {MIN_VERSION} or later.")
    if _fetch("default", "SHOW fsync") == "off":
        problems.append("PostgreSQL runs with fsync off and would lose calls in a power failure: set fsync = on.")
    if _fetch("default", "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"):
        role = get_application_role()
        problems.append(
            f"The role {role} of DATABASE_URL is a superuser and could change what is logged: ALTER ROLE {role} "
            "NOSUPERUSER NOBYPASSRLS."
        )
    if settings.PGBOUNCER:
        problems += list(_list_unset_timeouts())
    return problems


def _list_unset_timeouts() -> Iterator[str]:
    """Yield what sessions behind PgBouncer lack."""
    for name in SESSION_SETTINGS:
        if name.endswith("timeout") and _fetch("default", f"SHOW {name}") == "0":
            yield f"{name} is 0, and cannot be set through PgBouncer: {CONFIGURE}."
    if (commit := _fetch("default", "SHOW synchronous_commit")) not in DURABLE:
        yield f"synchronous_commit is {commit}, and calls would be answered before their rows are safe: {CONFIGURE}."


def check_owner() -> list[str]:
    """Return why the owner's role could not migrate and maintain."""
    owns = "SELECT bool_and(pg_has_role(relowner, 'MEMBER')) FROM pg_class WHERE relname = 'audit_event'"
    if _fetch("maintenance", owns) is False:
        return ["The role of MAINTENANCE_DATABASE_URL does not own the tables: it must be the one that ran migrate."]
    return []


def check_schema() -> list[str]:
    """Return pending migrations, else the privileges that the application's role lacks."""
    pending = preflight.describe_pending_migrations()
    return [pending] if pending else preflight.list_missing_rights()


def check_log_tables() -> list[str]:
    """Return differences of the tables, triggers and privileges under trail and log. The owner's role reads them,
    because no other sees everyone's privileges."""
    role = get_application_role()
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        pin_settings(cursor.cursor)
        different = check_objects(cursor.cursor, role)
    return [
        f"{difference.text[0].upper()}{difference.text[1:]}: restore it, and ask who changed it."
        for difference in different[:MAX_NAMED]
    ]


def check_partitions() -> list[str]:
    """Return a problem if next month has no partition."""
    if not _fetch("default", f"SELECT is_there FROM {build_coming_partitions(1, 1)}"):
        return [f"Next month has no partition of the API log: run {PROGRAM} maintain."]
    return []


def check_maintain() -> list[str]:
    """Return a problem if `maintain` is late."""
    last = parse_last_verification(_fetch("default", STATE_QUERY))
    if last.at is None and not last.findings:
        return ["maintain has never run: run it once an hour (serve does; else keyward-maintain.timer)."]
    if last.at is not None and last.is_late(time.time()):
        at = datetime.fromtimestamp(last.at, UTC)
        return [f"maintain ran last at {at:%Y-%m-%d %H:%M} UTC: it must run once an hour; its log says what failed."]
    return []


def check_verification() -> list[str]:
    """Return the findings of verifications that nobody has acknowledged."""
    state = verification_state.read_state()
    if state is None:
        return []
    return [
        f"The trail is not good: {problem}. See docs/auditors.md; {PROGRAM} audit_acknowledge ends it."
        for problem in state.problems[:MAX_NAMED]
    ]


def check_replica() -> list[str]:
    """Return problems of REPLICA_DATABASE_URL; none if it is not set."""
    if "replica" not in settings.DATABASES:
        return []
    if not _fetch("replica", "SELECT pg_is_in_recovery()"):
        return ["REPLICA_DATABASE_URL leads to a primary: it must be a replica of DATABASE_URL's server."]
    lag = _fetch("replica", "SELECT now() - pg_last_xact_replay_timestamp()")
    if lag and lag > MAX_REPLICA_LAG:
        return [f"The replica is {lag} behind: check its log; pages of the API log lag by as much."]
    return []


def check_deploy() -> list[str]:
    """Return what `check --deploy` reports about the configuration."""
    found = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    # Django's own follow from Keyward's.
    return [str(message.msg) for message in found if str(message.id).startswith("keyward.")]


def describe_failure(check: Callable[[], list[str]], variable: str) -> list[str]:
    """Return what `check` returns; a database that does not answer it is a problem of `variable`."""
    try:
        return check()
    except DatabaseError as error:
        reason = " ".join(str(error).split())[:300]
        if "startup parameter" in reason:
            return [f"{AWAY} {variable} is behind PgBouncer ({reason}): set PGBOUNCER=true."]
        return [f"{AWAY} {variable} does not answer ({reason}): it must be a PostgreSQL that this role may use."]


def _fetch(alias: str, statement: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return row[0] if row else None
