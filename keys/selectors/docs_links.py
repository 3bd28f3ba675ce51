"""Links to a key's documentation: those of a key, and the key of a link."""

from __future__ import annotations

import hashlib

from django.db.models import QuerySet
from django.db.models.functions import Now

from accounts.models import Account
from keys.models import DocsLink, Key
from keys.selectors.keys import with_page_relations


def list_docs_links(key: Key) -> QuerySet[DocsLink]:
    """Return the key's links that work, the newest first."""
    return DocsLink.objects.filter(key=key, expires_at__gt=Now()).order_by("-pk")


def find_shared_key(token: str) -> Key | None:
    """Return the key whose documentation this link shows; None if the link was revoked, has expired or never existed,
    the key is deleted or its account not active."""
    links = DocsLink.objects.filter(digest=compute_link_digest(token), expires_at__gt=Now())
    keys = Key.objects.filter(docs_links__in=links, deleted_at=None, account__status=Account.Status.ACTIVE)
    return with_page_relations(keys).first()


def compute_link_digest(token: str) -> bytes:
    """Return the digest by which a link is found. The token has 256 random bits, so a fast hash is enough."""
    return hashlib.sha256(token.encode(errors="replace")).digest()
