"""Django's DATABASES: the application's role, the owner's for migrations and maintenance, and a replica."""

from __future__ import annotations

from typing import Any

from config.env import Environment

# Of a session of the application. PgBouncer does not pass them on: there `configure_role` stores them with the role.
# Tables are cached or on SSDs, where random reads cost hardly more than sequential ones.
SESSION_SETTINGS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "random_page_cost": "1.1",
}
# A server whose host is lost without a word is given up after some ten seconds; the system's own limit is a quarter
# of an hour. libpq ignores them for a socket.
TCP_TIMEOUTS = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}


def build_databases(env: Environment, *, embedded: bool, pooled: bool) -> dict[str, dict[str, Any]]:
    """Return the databases by alias; `pooled` means that DATABASE_URL leads to PgBouncer."""
    options: dict[str, Any] = {"application_name": "keyward-portal", "connect_timeout": 5}
    settings = " ".join(f"-c {name}={value}" for name, value in SESSION_SETTINGS.items())
    limited = options if pooled else options | {"options": settings}
    if embedded:
        databases = {
            "default": _build_embedded("keyward_app", limited),
            "maintenance": _build_embedded("keyward_owner", options),
        }
    else:
        owner = "MAINTENANCE_DATABASE_URL" if env.secret("MAINTENANCE_DATABASE_URL") else "DATABASE_URL"
        databases = {"default": _build(env, "DATABASE_URL", limited), "maintenance": _build(env, owner, options)}
    if env.secret("REPLICA_DATABASE_URL"):
        databases["replica"] = _build(env, "REPLICA_DATABASE_URL", limited)
    for alias in databases.keys() - {"maintenance"}:
        databases[alias] |= {
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "DISABLE_SERVER_SIDE_CURSORS": pooled,
        }
    return databases


def _build(env: Environment, variable: str, options: dict[str, Any]) -> dict[str, Any]:
    url = env.url(variable, "db", "")
    url_options = url.get("OPTIONS", {})
    # The folder of a Unix socket, as in libpq's URLs: postgresql://user:password@/name?host=/run/postgresql
    host = url_options.pop("host", url["HOST"])
    return url | {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": host,
        "OPTIONS": TCP_TIMEOUTS | url_options | options,
    }


def _build_embedded(user: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"ENGINE": "config.embedded.backend", "NAME": "keyward", "USER": user, "OPTIONS": options}
