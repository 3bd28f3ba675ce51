"""gunicorn settings of both planes: the log format with redaction, and ending with the supervisor."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from config.embedded.parent_death_signal import tie_to_parent
from config.serve.listeners import Place

_own: dict[str, Any] = {"level": "WARNING", "handlers": ["stderr"], "propagate": False}
logconfig_dict = settings.LOGGING | {
    "loggers": settings.LOGGING["loggers"] | {"gunicorn.error": _own, "gunicorn.access": _own}
}


def format_bind(place: Place) -> str:
    """Return gunicorn's text for where it listens; IPv6 stands in brackets."""
    if isinstance(place, str):
        return f"unix:{place}"
    address, port = place
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def on_starting(server: Any) -> None:
    """Tie the master to `manage.py serve` if that started it; under another supervisor it runs by itself."""
    if settings.SUPERVISOR:
        tie_to_parent(settings.SUPERVISOR)


def post_fork(server: Any, worker: Any) -> None:
    tie_to_parent(worker.ppid)
