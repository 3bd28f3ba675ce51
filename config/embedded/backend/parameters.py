"""How a process without the ORM reaches the database of the settings."""

from __future__ import annotations

from django.db import connections
from psycopg.conninfo import make_conninfo

LIBPQ_PARAMETERS = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey")


def build_conninfo(alias: str) -> str:
    """libpq's connection string for `alias`; starts the embedded server if that is what it leads to."""
    parameters = connections[alias].get_connection_params()
    return make_conninfo(**{name: str(parameters[name]) for name in LIBPQ_PARAMETERS if parameters.get(name)})
