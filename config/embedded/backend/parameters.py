"""How a process without the ORM reaches the database of the settings."""

from __future__ import annotations

from django.db import connections
from psycopg.conninfo import make_conninfo

WANTED = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey")


def conninfo(alias: str) -> str:
    """libpq's connection string for `alias`; starts the embedded server if that is what it leads to."""
    found = connections[alias].get_connection_params()
    return make_conninfo(**{name: str(found[name]) for name in WANTED if found.get(name)})
