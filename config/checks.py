"""Checks of an installation for `check --deploy`, beyond Django's own."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register


@register(Tags.security, deploy=True)
def check_installation(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    default, maintenance = settings.DATABASES["default"], settings.DATABASES["maintenance"]
    problems = {
        "W001": not settings.PRODUCTION and "KEYWARD_MODE is demo: set it to production.",
        "W002": settings.EMBEDDED_DATABASE and "The database is the embedded one: set DATABASE_URL.",
        "W003": default["USER"] == maintenance["USER"]
        and "The application is its database's owner and could change what is logged: set MAINTENANCE_DATABASE_URL.",
        "W004": not settings.HTTPS and "BASE_URL is not https: passwords and sessions would be sent in clear text.",
        "W005": not settings.GATEWAY_SECRETS
        and not settings.GATEWAY_SOCKET
        and "Neither GATEWAY_SECRETS nor GATEWAY_SOCKET is set: no proxy can authenticate, so every call is refused.",
    }
    return [Warning(message, id=f"keyward.{number}") for number, message in problems.items() if message]


@register(Tags.database, deploy=True)
def check_database(app_configs: Any, databases: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """Return what `serve` would refuse about the database and cannot fix itself."""
    if "default" not in (databases or ()):
        return []
    # With the services, whose import takes longer than all models: other commands do without.
    from config.serve import preflight

    if pending := preflight.describe_pending_migrations():
        return [Error(pending, id="keyward.E002")]
    return [Error(line, id="keyward.E003") for line in preflight.list_missing_rights()]
