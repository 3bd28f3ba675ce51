"""Error pages: 400, 403, 404, 405, 500, 503, and a form whose CSRF token is refused."""

from __future__ import annotations

import sys

from django.core.exceptions import BadRequest, PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from accounts.models import User
from core.authorization import AccountNotActive
from keys.selectors.first_steps import get_first_steps


def _render_error(request: HttpRequest, status: int, **context: object) -> HttpResponse:
    response = render(request, f"{status}.html", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Show the message of a BadRequest, but none of Django's SuspiciousOperation."""
    return _render_error(request, 400, reason=str(exception) if isinstance(exception, BadRequest) else "")


def forbidden(request: HttpRequest, exception: PermissionDenied) -> HttpResponse:
    """Show the message of core.authorization's exceptions; Django's have none."""
    waiting = isinstance(exception, AccountNotActive)
    steps = get_first_steps(request.user) if waiting and isinstance(request.user, User) else None
    return _render_error(request, 403, reason=str(exception), up_to_support=waiting, first_steps=steps)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _render_error(request, 404)


def method_not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    """Show 405 with the methods that are `allowed`, for config.middleware.MethodPages."""
    response = _render_error(request, 405)
    response.headers["Allow"] = allowed
    return response


def server_error(request: HttpRequest) -> HttpResponse:
    """Show 500, or 503 while the database does not answer. Django calls this while it handles the exception."""
    status = 503 if isinstance(sys.exception(), InterfaceError | OperationalError) else 500
    # Rendered without the request, because the menu's queries may have caused the error.
    return HttpResponse(render_to_string(f"{status}.html"), status=status, headers={"Cache-Control": "no-store"})


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Show what to do; Django's reason names internals. By the header, js/leaving.js renews the form instead."""
    response = render(request, "403_csrf.html", status=403)
    response.headers["X-Form-Expired"] = "true"
    return response
