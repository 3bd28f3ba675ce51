"""Create and revoke links to a key's documentation, for integrators who are no users."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import NamedTuple

from django.db import transaction
from django.utils import timezone

from audit.trail.record import record
from core.actor import Actor
from core.permissions import Permission
from keys.models import DocsLink, Key
from keys.selectors.docs_links import compute_link_digest
from keys.services.locks import build_key_target, lock_for_change

MAX_LINKS = 20
LIFETIMES = (7, 30, 90)  # days


class TooManyLinks(Exception):
    """The key has as many links as it may have."""

    def __init__(self) -> None:
        super().__init__(f"This key has {MAX_LINKS} links. Revoke one first.")


class CreatedLink(NamedTuple):
    """A link, and the token in its URL, which is stored as a digest only."""

    link: DocsLink
    token: str


@transaction.atomic
def create_docs_link(*, key: Key, days: int, by: Actor) -> CreatedLink:
    """Create a link to the key's documentation that works for this many days, one of LIFETIMES. The key's expired links
    are deleted. Raise Denied, AccountNotActive, TooManyLinks."""
    if days not in LIFETIMES:
        raise ValueError(f"A link works for {LIFETIMES} days, not {days}.")
    key = lock_for_change(key, Permission.KEYS_CHANGE, by)
    now = timezone.now()
    DocsLink.objects.filter(key=key, expires_at__lte=now).delete()
    if DocsLink.objects.filter(key=key).count() >= MAX_LINKS:
        raise TooManyLinks
    token = secrets.token_urlsafe(32)
    link = DocsLink.objects.create(
        key=key, digest=compute_link_digest(token), created_by=by.label, expires_at=now + timedelta(days=days)
    )
    record(
        "key.docs_link_created",
        by=by,
        account_id=key.account_id,
        target=build_key_target(key),
        api=key.api.slug,
        link=link.pk,
        until=link.expires_at.isoformat(timespec="seconds"),
    )
    return CreatedLink(link, token)


@transaction.atomic
def revoke_docs_link(*, link: DocsLink, by: Actor) -> None:
    """Delete the link, so that it stops working. Raise Denied, AccountNotActive, Key.DoesNotExist, or
    DocsLink.DoesNotExist if it was revoked already."""
    key = lock_for_change(link.key, Permission.KEYS_CHANGE, by)
    link = DocsLink.objects.select_for_update().get(pk=link.pk)
    number = link.pk
    link.delete()
    record(
        "key.docs_link_revoked",
        by=by,
        account_id=key.account_id,
        target=build_key_target(key),
        api=key.api.slug,
        link=number,
    )
