"""The portal as a WSGI application, served by `manage.py serve` or any gunicorn with
config/serve/gunicorn_portal.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

django_application = get_wsgi_application()
SCHEME = "https" if settings.HTTPS else "http"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """BASE_URL says how people reach the portal; no header of a request may say otherwise."""
    environ["wsgi.url_scheme"] = SCHEME
    return django_application(environ, start_response)
