"""The portal as a WSGI application whose exports may take so long and no longer, and their readers stall so long."""

from __future__ import annotations

from importlib import import_module

from django.core.handlers.wsgi import WSGIHandler


def portal(longest: int, stalled: int) -> WSGIHandler:
    # Sets Django up, before which no other module can be imported.
    application: WSGIHandler = import_module("config.wsgi").application
    vars(import_module("audit.exports.formats"))["EXPORT_TIMEOUT_SECONDS"] = longest
    vars(import_module("audit.exports.views"))["STALLED_SECONDS"] = stalled
    return application
