"""The portal as a WSGI application, served by `manage.py serve` or by gunicorn with config/serve/gunicorn_portal.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings
from django.core.wsgi import get_wsgi_application

django_application = get_wsgi_application()
# Django imports the views with the first request: each process again, if it was forked before.
import_module(settings.ROOT_URLCONF)
SCHEME = "https" if settings.HTTPS else "http"


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request with the host and the scheme of BASE_URL, whatever its headers say."""
    environ["wsgi.url_scheme"] = SCHEME
    return django_application(environ, start_response)
