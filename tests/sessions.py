"""Django's test client with sessions whose cookie is not their key, as config/sessions.py has them."""

from __future__ import annotations

from typing import cast

import pytest
from django.conf import settings
from django.http import HttpRequest
from django.test import Client

from accounts.signin.session_store import SessionStore


def patch_client(patched: pytest.MonkeyPatch) -> None:
    """Let `client.session` and `client.force_login` go from cookie to session as the middleware does."""
    set_cookies = Client._set_login_cookies  # type: ignore[attr-defined]

    def get_session(client: Client) -> SessionStore:
        cookie = client.cookies.get(settings.SESSION_COOKIE_NAME)
        session = SessionStore.from_cookie(cookie.value if cookie else None)
        if not cookie:
            session.save()
            client.cookies[settings.SESSION_COOKIE_NAME] = session.cookie
        return session

    def set_login_cookies(client: Client, request: HttpRequest) -> None:
        set_cookies(client, request)
        cookie = client.cookies[settings.SESSION_COOKIE_NAME]
        session = cast("SessionStore", request.session)
        cookie.set(cookie.key, session.cookie, session.cookie)

    patched.setattr(Client, "session", property(get_session))
    patched.setattr(Client, "_set_login_cookies", set_login_cookies)
