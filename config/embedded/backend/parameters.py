"""Connection parameters of the configured databases, for processes without the ORM."""

from __future__ import annotations

from django.db import connections
from psycopg.conninfo import make_conninfo

LIBPQ_PARAMETERS = ("host", "port", "user", "password", "dbname", "sslmode", "sslrootcert", "sslcert", "sslkey")


def build_conninfo(alias: str) -> str:
    """Return libpq's connection string for `alias`. Starts the embedded server if the alias refers to it."""
    parameters = connections[alias].get_connection_params()
    return make_conninfo(**{name: str(parameters[name]) for name in LIBPQ_PARAMETERS if parameters.get(name)})
