"""The session of a request: when it began and was last used, and its renewal under a new key."""

from __future__ import annotations

import time

from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest

from accounts.models import User

STARTED_AT, LAST_SEEN_AT = "began", "seen"


def start(request: HttpRequest) -> None:
    request.session[STARTED_AT] = request.session[LAST_SEEN_AT] = int(time.time())


def renew(request: HttpRequest, user: User) -> None:
    """Continue this session under a new key after a change that ended all of the user's sessions."""
    before = request.session.session_key
    update_session_auth_hash(request, user)
    request.user = user
    UserSession.objects.filter(session_key=before).update(session_key=request.session.session_key)
