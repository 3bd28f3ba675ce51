"""The portal as a WSGI application with other timeouts for exports and for readers that stall, in seconds."""

from __future__ import annotations

from importlib import import_module

from django.core.handlers.wsgi import WSGIHandler


def portal(timeout: int, stalled: int) -> WSGIHandler:
    # Sets Django up, before which no other module can be imported.
    application: WSGIHandler = import_module("config.wsgi").application
    vars(import_module("audit.exports.formats"))["EXPORT_TIMEOUT_SECONDS"] = timeout
    vars(import_module("audit.exports.views"))["STALLED_SECONDS"] = stalled
    return application
