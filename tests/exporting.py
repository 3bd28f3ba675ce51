"""The portal as a WSGI application whose exports may take so long and no longer."""

from __future__ import annotations

from django.core.handlers.wsgi import WSGIHandler


def portal(longest: int) -> WSGIHandler:
    from config.wsgi import application

    from audit import exports

    exports.LONGEST = longest
    return application
