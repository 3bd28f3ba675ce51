"""What would keep an installation from working, found before it is served rather than by its users."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config import roles
from config.collected import is_collected
from config.supervisor import find_taken_port
from keys.services import resealing


def list_problems() -> list[str]:
    """Return everything that is wrong, a line each. Raise OperationalError when the database does not answer."""
    # A database that does not answer has nothing to say about the rest.
    connection.ensure_connection()
    pending = list_pending_migrations()
    problems = list(_taken_ports())
    if pending:
        problems.append(
            f"The database's tables are not those of this version: {len(pending)} migrations are pending, the first "
            f"is {pending[0]}. Run manage.py migrate, or serve --prepare."
        )
    else:
        problems += [*resealing.unreadable(), *_missing_rights()]
    if not is_collected():
        problems.append("The static files are not those of this version: run manage.py collectstatic.")
    return problems


def list_pending_migrations() -> list[str]:
    """Return the migrations that the database lacks, as `app.name`, in their order."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _taken_ports() -> Iterator[str]:
    asked = [("PORT", settings.BIND, settings.PORT)]
    if not settings.GATEWAY_SOCKET:
        asked.append(("GATEWAY_PORT", settings.GATEWAY_BIND, settings.GATEWAY_PORT))
    if settings.METRICS_PORT:
        asked.append(("METRICS_PORT", settings.METRICS_BIND, settings.METRICS_PORT))
    for variable, addresses, port in asked:
        if problem := find_taken_port(variable, addresses, port):
            yield problem


def _missing_rights() -> Iterator[str]:
    missing = roles.list_missing_rights()
    if missing:
        yield (
            f"The role {roles.application_role()} lacks rights that Keyward needs, such as {missing[0]}: run "
            "manage.py migrate, which grants them."
        )
