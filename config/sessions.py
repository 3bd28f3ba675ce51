"""Limits of sessions: the session cookie, idle and total lifetime, what is stored of their use, and the mandatory
second factor."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from accounts.signin.current_session import LAST_SEEN_AT, STARTED_AT, start
from accounts.signin.second_factors import is_enrolment_required
from accounts.signin.session_store import SessionStore
from config.middleware import IdentifiedRequest

Handler = Callable[[HttpRequest], HttpResponse]

# Header of requests that a page sends by itself, such as a live tail: they do not count as use.
BACKGROUND_HEADER = "X-Background"

# Seconds between two updates of the time of last use.
LAST_USE_INTERVAL_SECONDS = 60

# What the session's row of UserSession says, and how much of a User-Agent it has room for.
STORED_USE = "use"
MAX_AGENT_LENGTH = UserSession._meta.get_field("user_agent").max_length


class DigestedSessions(SessionMiddleware):
    """Django's session middleware, with a cookie that differs from the session's key
    (accounts/signin/session_store.py)."""

    def process_request(self, request: HttpRequest) -> None:
        request.session = SessionStore.from_cookie(request.COOKIES.get(settings.SESSION_COOKIE_NAME))

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            response = super().process_response(request, response)
        except SessionInterrupted:
            # Users may end their own sessions, in this request or beside it. What was done is answered, not with a 400.
            request.session.flush()
            response = super().process_response(request, response)
        cookie, session = response.cookies.get(settings.SESSION_COOKIE_NAME), request.session
        if cookie is not None and cookie.value and isinstance(session, SessionStore) and session.cookie:
            cookie.set(cookie.key, session.cookie, session.cookie)
        return response


class SessionLimits:
    """End a session that was idle for too long, or is too old, before its user is looked up."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        session = request.session
        if SESSION_KEY in session:
            now, seen = int(time.time()), session.get(LAST_SEEN_AT)
            if seen is None:
                start(request)
            elif now - seen > settings.SESSION_IDLE_SECONDS or now - session[STARTED_AT] > settings.SESSION_COOKIE_AGE:
                UserSession.objects.filter(session_key=session.session_key).delete()
                session.flush()
            elif now - seen >= LAST_USE_INTERVAL_SECONDS and BACKGROUND_HEADER not in request.headers:
                session[LAST_SEEN_AT] = now
        return self.get_response(request)


class SessionUse:
    """Store when, from which address and with which browser a session was last used: for the same client once in
    LAST_USE_INTERVAL_SECONDS, for another one at once. Replaces allauth's middleware, which writes with every request
    and waits for the commit."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: IdentifiedRequest) -> HttpResponse:
        if request.user.is_authenticated:
            session, agent = request.session, request.headers.get("User-Agent", "")
            use = [session.get(LAST_SEEN_AT), request.client_address, agent[:MAX_AGENT_LENGTH]]
            if session.get(STORED_USE) != use:
                UserSession.objects.create_from_request(request)
                session[STORED_USE] = use
        return self.get_response(request)


class SecondFactorFirst:
    """Redirect users who must have a second factor and have none to adding one."""

    OPEN = frozenset(
        {"profile-enrol", "profile-totp", "profile-passkey-new", "account_logout", "health-live", "health-ready"}
    )

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *rest: Any) -> HttpResponse | None:
        route = request.resolver_match
        if route is None or route.view_name in self.OPEN:
            return None
        user = request.user
        return redirect("profile-enrol") if user.is_authenticated and is_enrolment_required(user) else None
