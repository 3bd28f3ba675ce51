"""Sessions stored under a digest of the cookie's value, so that a dump or a replica signs nobody in."""

from __future__ import annotations

import hashlib
import secrets

from django.contrib.sessions.backends import db

# Hexadecimal digits: the column's width. 160 bits of SHA-256.
KEY_LENGTH = 40


def get_session_key(cookie: str) -> str:
    """Return the key under which the session of a cookie's value is stored."""
    return hashlib.sha256(cookie.encode()).hexdigest()[:KEY_LENGTH]


class SessionStore(db.SessionStore):
    """Django's database sessions; `cookie` is the value that only the browser holds."""

    cookie: str | None = None

    @classmethod
    def from_cookie(cls, cookie: str | None) -> SessionStore:
        store = cls(get_session_key(cookie) if cookie else None)
        store.cookie = cookie
        return store

    def _get_new_session_key(self) -> str:
        self.cookie = secrets.token_urlsafe(32)
        return get_session_key(self.cookie)
