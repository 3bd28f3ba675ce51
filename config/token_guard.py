"""Keep tokens out of URLs: a token typed into a search leads to the finder, which takes it by POST.

With JavaScript (static/js/tokens.js) it is never sent in a URL. Without, it arrives in the query of a GET, and the
response redirects to a URL without it, which browsers show instead.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse

from core import authorization
from core.permissions import Permission
from core.redaction import contains_secret
from keys.services.finding import REQUIRED_PERMISSIONS

Handler = Callable[[HttpRequest], HttpResponse]

SEARCH_WARNING = (
    "Your search looks like a secret, so it was not run. It was part of the URL, which a proxy in front of Keyward may"
    " have logged. If it was a live token, change that key."
)
FINDER_HINT = "To find its key, paste it into the box below. It is sent in the request body, matched and not stored."
NO_FINDER_HINT = "An Administrator or Auditor of the account can find the key it belongs to."


def get_finder_url(request: HttpRequest) -> str:
    """Return the URL where this user may look up a token; empty if there is none."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return ""
    if authorization.has_permission(user, Permission.ADMINISTRATION):
        return reverse("admin:find")
    return (
        reverse("key-find")
        if all(authorization.has_permission(user, permission) for permission in REQUIRED_PERMISSIONS)
        else ""
    )


def build_finder_context(request: HttpRequest) -> dict[str, str]:
    """Return the context of templates/components/find_box.html and token_offer.html."""
    return {"find_url": get_finder_url(request), "token_prefix": settings.TOKEN_PREFIX}


class TokenGuard:
    """Redirect a GET whose query holds a secret to the finder, or to the same page without the secret."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get("QUERY_STRING") and request.method in ("GET", "HEAD"):
            params = _drop_secrets(request.GET)
            if len(params) < len(request.GET):
                return self._redirect(request, params)
        return self.get_response(request)

    def _redirect(self, request: HttpRequest, params: QueryDict) -> HttpResponse:
        finder = get_finder_url(request)
        if request.user.is_authenticated:
            messages.warning(request, f"{SEARCH_WARNING} {FINDER_HINT if finder else NO_FINDER_HINT}")
        query = params.urlencode()
        response = HttpResponseRedirect(finder or (f"{request.path}?{query}" if query else request.path))
        response.headers["Cache-Control"] = "no-store"
        return response


def _drop_secrets(query: QueryDict) -> QueryDict:
    params = query.copy()
    for name, values in query.lists():
        if any(map(contains_secret, (name, *values))):
            del params[name]
    return params
