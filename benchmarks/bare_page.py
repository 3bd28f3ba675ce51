"""The bare page that the portal's pages are measured beside: a Django view with a session, behind all of the portal's
middlewares."""

from __future__ import annotations

from typing import Any

BARE = "/bare/"
# The same, without the write: what the portal itself does for a page.
LEAN = "/bare/lean/"


def add_bare_page() -> None:
    """Add a view that returns the user's ID, behind allauth's middleware for sessions, which stores the use of the
    session with every request.

    The portal stores it once a minute (config/sessions.py). The bare page still writes, so that the ratios show what
    the portal's pages save. Without the write it takes about half as long, and every ratio would be twice as high.
    """
    from allauth.usersessions.middleware import UserSessionsMiddleware
    from django.conf import settings
    from django.http import HttpResponse
    from django.urls import path

    from config import urls
    from core.page_guard import public

    @public("a page that only looks up the user")
    def show_user(request: Any) -> HttpResponse:
        return HttpResponse(str(request.session.get("_auth_user_id")))

    settings.USERSESSIONS_TRACK_ACTIVITY = True
    settings.ALLOWED_HOSTS = ["testserver"]
    urls.urlpatterns += [
        path(BARE.removeprefix("/"), UserSessionsMiddleware(show_user)),
        path(LEAN.removeprefix("/"), show_user),
    ]
