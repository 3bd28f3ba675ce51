"""Connection parameters of the configured databases, for processes without the ORM."""

from __future__ import annotations

from django.db import connections
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

# What libpq knows, but for what each process says for itself.
OWN_PARAMETERS = {"application_name", "client_encoding", "connect_timeout", "options"}
LIBPQ_PARAMETERS = {option.keyword.decode() for option in Conninfo.get_defaults()} - OWN_PARAMETERS


def build_conninfo(alias: str) -> str:
    """Return libpq's connection string for `alias`. Starts the embedded server if the alias refers to it."""
    parameters = connections[alias].get_connection_params()
    known = parameters.keys() & LIBPQ_PARAMETERS
    return make_conninfo(**{name: str(parameters[name]) for name in sorted(known) if parameters[name]})
