"""gunicorn settings of both planes: the redacting log format, and the end of all processes with the supervisor."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from config.embedded.parent_death_signal import tie_to_parent
from config.serve.listeners import ListenAddress, format_listen_address

_handlers: dict[str, Any] = {"level": "WARNING", "handlers": ["stderr"], "propagate": False}
logconfig_dict = settings.LOGGING | {
    "loggers": settings.LOGGING["loggers"] | {"gunicorn.error": _handlers, "gunicorn.access": _handlers}
}


def format_bind(listen_address: ListenAddress) -> str:
    """Return the address as gunicorn's `bind` expects it, with IPv6 in brackets."""
    return f"unix:{listen_address}" if isinstance(listen_address, str) else format_listen_address(listen_address)


def on_starting(server: Any) -> None:
    """Tie the master to `manage.py serve` if that started it. Under another supervisor it is not tied."""
    if settings.SUPERVISOR:
        tie_to_parent(settings.SUPERVISOR)


def post_fork(server: Any, worker: Any) -> None:
    tie_to_parent(worker.ppid)
