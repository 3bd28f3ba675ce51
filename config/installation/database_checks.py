"""What `keyward doctor` checks in the database: roles, schema, rights, what `maintain` leaves there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections, transaction

from audit.trail import verification_state
from audit.trail.database_objects import check_objects
from config.database_roles import get_application_role
from config.serve import preflight
from core.replica import pin_settings
from gateway.limits import MAINTAIN_LATE_SECONDS

MIN_VERSION = 15
MAX_NAMED = 20
AWAY = "The database of"
# Behind the primary; pages of the log say how old they are.
MAX_REPLICA_LAG = timedelta(minutes=1)
TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


def check_roles() -> list[str]:
    """Return what is wrong with the server and with what the two roles may do in general."""
    problems = []
    if (version := int(_fetch("default", "SHOW server_version_num")) // 10000) < MIN_VERSION:
        problems.append(f"PostgreSQL is version {version}: it must be {MIN_VERSION} or later.")
    if _fetch("default", "SHOW fsync") == "off":
        problems.append("PostgreSQL runs with fsync off and loses calls in a power cut: set fsync = on.")
    if _fetch("default", "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"):
        role = get_application_role()
        problems.append(
            f"The role {role} of DATABASE_URL is a superuser and could change what is logged: ALTER ROLE {role} "
            "NOSUPERUSER NOBYPASSRLS."
        )
    if settings.PGBOUNCER:
        without = [name for name in TIMEOUTS if _fetch("default", f"SHOW {name}") == "0"]
        problems += [
            f"{name} is not set, and cannot be through PgBouncer: ALTER ROLE {get_application_role()} SET {name} = "
            "'15s' (docs/operations.md)."
            for name in without[:1]
        ]
    return problems


def check_owner() -> list[str]:
    """Return what keeps the owner's role from migrating and maintaining."""
    owns = "SELECT bool_and(pg_has_role(relowner, 'MEMBER')) FROM pg_class WHERE relname = 'audit_event'"
    if _fetch("maintenance", owns) is False:
        return ["The role of MAINTENANCE_DATABASE_URL does not own the tables: it must be the one that ran migrate."]
    return []


def check_schema() -> list[str]:
    """Return pending migrations and the rights that the application's role lacks."""
    pending = preflight.describe_pending_migrations()
    return [pending] if pending else preflight.list_missing_rights()


def check_log_tables() -> list[str]:
    """Return differences of the tables, triggers and rights under trail and log; read by the owner's role, which alone
    sees what others may do."""
    role = get_application_role()
    with transaction.atomic(using="maintenance"), connections["maintenance"].cursor() as cursor:
        pin_settings(cursor.cursor)
        different = check_objects(cursor.cursor, role)
    return [
        f"{difference.text[0].upper()}{difference.text[1:]}: restore it, and ask who changed it."
        for difference in different[:MAX_NAMED]
    ]


def check_partitions() -> list[str]:
    """Return whether next month's calls have no partition yet."""
    following = "to_char((now() AT TIME ZONE 'UTC') + interval '1 month', '\"audit_call_\"YYYY_MM')"
    if _fetch("default", f"SELECT to_regclass({following}) IS NULL"):
        return ["Next month has no partition of the API log: run maintain."]
    return []


def check_maintain() -> list[str]:
    """Return whether `maintain` is late."""
    state = verification_state.read_state()
    if state is None:
        return ["maintain has never run: run it once an hour (serve does; else keyward-maintain.timer)."]
    late = datetime.now(UTC) - state.at
    if late > timedelta(seconds=MAINTAIN_LATE_SECONDS):
        return [
            f"maintain ran last at {state.at:%Y-%m-%d %H:%M} UTC: it must run once an hour; its log says what failed."
        ]
    return []


def check_verification() -> list[str]:
    """Return what verifications found and nobody has acknowledged."""
    state = verification_state.read_state()
    if state is None:
        return []
    return [
        f"The trail is not good: {problem}. See docs/auditors.md; audit_acknowledge ends it."
        for problem in state.problems[:MAX_NAMED]
    ]


def check_replica() -> list[str]:
    """Return what is wrong with REPLICA_DATABASE_URL; nothing where there is none."""
    if "replica" not in settings.DATABASES:
        return []
    if not _fetch("replica", "SELECT pg_is_in_recovery()"):
        return ["REPLICA_DATABASE_URL leads to a primary: it must be a replica of DATABASE_URL's server."]
    lag = _fetch("replica", "SELECT now() - pg_last_xact_replay_timestamp()")
    if lag and lag > MAX_REPLICA_LAG:
        return [f"The replica is {lag} behind: look at its log; pages of the API log are as old."]
    return []


def check_deploy() -> list[str]:
    """Return what `check --deploy` says of the configuration."""
    found = checks.run_checks(tags=[checks.Tags.security], include_deployment_checks=True)
    # Django's own follow from these.
    return [str(message.msg) for message in found if str(message.id).startswith("keyward.")]


def describe_failure(check: Callable[[], list[str]], variable: str) -> list[str]:
    """Return what `check` returns; a database that does not answer it is a problem of `variable`."""
    try:
        return check()
    except DatabaseError as error:
        reason = " ".join(str(error).split())[:300]
        return [f"{AWAY} {variable} does not answer ({reason}): it must be a PostgreSQL that this role may use."]


def _fetch(alias: str, statement: str) -> Any:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return row[0] if row else None
