"""Links to the documentation of keys, made by the service itself, for tests."""

from __future__ import annotations

from accounts.models import User
from keys.models import Key
from keys.services.docs_links import CreatedLink, create_docs_link
from tests.factories.accounts import acting


def a_docs_link(key: Key, user: User, days: int = 30) -> CreatedLink:
    return create_docs_link(key=key, days=days, by=acting(user))
