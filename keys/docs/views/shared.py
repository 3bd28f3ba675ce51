"""A key's documentation for whoever has a link to it, without signing in."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.signin import rate_limits
from core.page_guard import public
from core.pages import render_full_page
from keys.docs.views.pages import build_docs, build_recording_docs
from keys.models import Key
from keys.selectors.docs_links import find_shared_key

REASON = "whoever has the link is the integrator whom it was sent to"
View = Callable[[HttpRequest, str, Key], HttpResponse]


def _limit_requests(view: View) -> Callable[..., HttpResponse]:
    """Decorate a view of the key of a link. Requests from an address are limited, whatever link they name; a link that
    does not work gets the same answer, whatever the reason."""

    @wraps(view)
    def wrapper(request: HttpRequest, token: str) -> HttpResponse:
        address = request.actor.address  # type: ignore[attr-defined]
        source = rate_limits.get_address_key(address) if address else "nowhere"
        if not rate_limits.count_attempt(rate_limits.DOCS_LINK_FROM_ADDRESS, source):
            response = render(request, "429.html", status=429)
        elif key := find_shared_key(token):
            response = view(request, token, key)
        else:
            response = render_full_page(request, "keys/docs/link_over", {}, 404)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        # The URL is what opens the page.
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapper


@public(REASON)
@require_safe
@_limit_requests
def shared_docs(request: HttpRequest, token: str, key: Key) -> HttpResponse:
    urls = {"recordings_url": reverse("shared-recordings", args=[token])}
    return render_full_page(request, "keys/docs/shared", build_docs(request, key) | urls | {"shared": True})


@public(REASON)
@require_safe
@_limit_requests
def shared_recordings(request: HttpRequest, token: str, key: Key) -> HttpResponse:
    context = build_recording_docs(key) | {"docs_url": reverse("shared-docs", args=[token]), "shared": True}
    return render_full_page(request, "keys/docs/shared_recordings", context)
