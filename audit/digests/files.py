"""Digests as files: one for each digest, and a signed index of them, so that none can be left out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet

from audit.digests.build import hash_document
from audit.models import Digest
from core import signed_json
from core.accounts import Account
from core.replica import get_log_database

KIND = "keyward-digests-1"


class NoDigests(Exception):
    """There is no digest in the range."""


def list_digests(account: Account) -> QuerySet[Digest]:
    """Return the account's digests, newest first; a replica may answer."""
    return Digest.objects.using(get_log_database()).filter(account_id=account.pk).order_by("-number")


def filter_range(digests: QuerySet[Digest], since: datetime | None, until: datetime | None) -> QuerySet[Digest]:
    """Return the digests that cover any time from `since` to before `until`."""
    condition = Q(until__gt=since) if since else Q()
    return digests.filter(condition & (Q(since__lt=until) | Q(since=None)) if until else condition)


def build_digest_name(digest: Digest, slug: str) -> str:
    return f"keyward-{slug}-digest-{digest.number:08}.json"


def build_files(account: Account, since: datetime | None, until: datetime | None) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of the digests of the range, oldest first, then of their index. Raise NoDigests."""
    digests = filter_range(list_digests(account), since, until).order_by("number")
    first, last = digests.first(), digests.last()
    if first is None or last is None:
        raise NoDigests
    # Digests that are made meanwhile are not in the index.
    for digest in digests.filter(number__lte=last.number).iterator():
        yield build_digest_name(digest, account.slug), digest.document.encode()
    yield f"keyward-{account.slug}-digests-{first.number}-{last.number}.json", _build_index(first, last)


def _build_index(first: Digest, last: Digest) -> bytes:
    content: dict[str, Any] = {
        "version": 1,
        "account": json.loads(last.document)["account"],
        "first": first.number,
        "last": last.number,
        "sha256": hash_document(last.document),
    }
    signed = signed_json.sign(content, kind=KIND, key=settings.CHECKPOINT_KEY)
    return json.dumps(signed, sort_keys=True, indent=2).encode() + b"\n"
