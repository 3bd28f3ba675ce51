"""`keyward configure_role`: store the application's session settings with its role, for connections through
PgBouncer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection, transaction
from psycopg import sql

from config.databases import SESSION_SETTINGS

# synchronous_commit: a call is answered once its row is safe, whatever the server's own setting is.
ROLE_SETTINGS = SESSION_SETTINGS | {"synchronous_commit": "on"}


class Command(BaseCommand):
    help = (
        "Stores the timeouts and other settings of the application's sessions with its role in the database, where "
        "DATABASE_URL leads to PgBouncer, which passes none on. Sessions that begin afterwards have them."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database()")
            role, database = cursor.fetchone()
            # Every role may change its own.
            statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}")
            for name, value in ROLE_SETTINGS.items():
                names = (sql.Identifier(each) for each in (role, database, name))
                cursor.execute(statement.format(*names, sql.Literal(value)).as_string(cursor.connection))
        for name, value in ROLE_SETTINGS.items():
            self.stdout.write(f"{role} in {database}: {name} = {value}")
        if settings.PGBOUNCER:
            self.stdout.write("Now say RECONNECT in PgBouncer's console, so that its open connections begin anew.")
