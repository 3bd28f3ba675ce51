"""Checks before serving, for everything that would keep an installation from working."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import database_roles
from config.serve.listeners import find_taken_port, list_ports
from config.serve.planes import GATEWAY, PLANES, Plane
from config.static_build import is_collected
from core.program import PROGRAM

STATIC_FILES = f"The static files are not those of this version: run {PROGRAM} collectstatic."


def list_problems(planes: Sequence[Plane] = PLANES) -> list[str]:
    """Return all problems, one line each. Raise OperationalError when the database does not answer."""
    # The other checks need the database.
    connection.ensure_connection()
    problems = list(_list_taken_ports(planes))
    if pending := describe_pending_migrations():
        problems.append(pending)
    elif settings.GATEWAY:
        # A gateway lacks the keys of what the portal seals.
        problems += list_missing_rights()
    else:
        # A gateway does without the services, whose import takes longer than all models.
        from keys.services import resealing

        problems += [*resealing.list_unreadable(), *list_missing_rights()]
    if list(planes) != [GATEWAY] and not is_collected():
        problems.append(STATIC_FILES)
    return problems


def describe_pending_migrations() -> str:
    """Return which migrations are pending and what to do; empty if there are none."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return ""
    first = f"{plan[0][0].app_label}.{plan[0][0].name}"
    count = f"{len(plan)} migrations are pending, the first is {first}"
    return f"The database's tables are not those of this version: {count}. Run {PROGRAM} migrate."


def list_missing_rights() -> list[str]:
    """Return which privileges the application's role lacks and what to do, as at most one line."""
    missing = database_roles.list_missing_rights()
    if not missing:
        return []
    lacks = f"The role {database_roles.get_application_role()} lacks rights that Keyward needs, such as {missing[0]}"
    return [f"{lacks}: run {PROGRAM} migrate, which grants them."]


def _list_taken_ports(planes: Sequence[Plane]) -> Iterator[str]:
    for variable, addresses, port in (port for plane in planes for port in list_ports(plane)):
        if problem := find_taken_port(variable, addresses, port):
            yield problem
