"""Access decorators, one of which is outermost on every view: `@needs(Permission.X)` or `@public("reason")`.

A guard test walks the URLconf for views without either.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django_htmx.middleware import HtmxDetails

from core.actor import Actor
from core.authorization import Denied, has_permission
from core.permissions import Permission

if TYPE_CHECKING:
    from accounts.models import User

SESSION_ENDED = "Your session has ended, so nothing was saved. Sign in and submit the form again."
View = Callable[..., HttpResponseBase]


class SignedIn(HttpRequest):
    """The type of the request that a view behind `needs` gets, with the attributes that the middlewares set."""

    user: User
    actor: Actor
    htmx: HtmxDetails
    id: str
    client_address: str | None


def needs(*permissions: Permission) -> Callable[[View], View]:
    """Allow signed-in users who hold all of `permissions`; redirect others to sign-in, or answer 403."""
    if not permissions:
        raise TypeError("needs() names at least one permission; a page for everyone is @public(reason)")

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return _redirect_to_sign_in(request)
            for permission in permissions:
                if not has_permission(request.user, permission):
                    raise Denied(permission)
            return view(request, *args, **kwargs)

        wrapper.permissions = frozenset(permissions)  # type: ignore[attr-defined]
        return wrapper

    return decorate


def public(reason: str) -> Callable[[View], View]:
    """Allow everyone. The reason is for readers and the guard test."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapper(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs)

        wrapper.public = reason  # type: ignore[attr-defined]
        return wrapper

    return decorate


def _redirect_to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """Redirect to sign-in, and from there to this page; after a POST, which is lost, to the page that it was sent
    from."""
    if request.method in ("GET", "HEAD"):
        page = request.get_full_path()
    else:
        page = _get_referring_page(request)
        messages.warning(request, SESSION_ENDED)
    url = reverse("account_login")
    return HttpResponseRedirect(f"{url}?{urlencode({'next': page})}" if page else url)


def _get_referring_page(request: HttpRequest) -> str:
    """Return the path and query of the installation's page that the request was sent from; empty if unknown."""
    page = urlsplit(request.headers.get("Referer", ""))
    if page.netloc != request.get_host():
        return ""
    return f"{page.path}?{page.query}" if page.query else page.path
