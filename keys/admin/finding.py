"""The box on the administration's first page: from what a customer says or pastes to their key.

A token or a line of a log is sent in a POST, looked through here and forgotten: neither page nor URL, session, log or
event holds it. The event says by what was looked, and the API IDs of what was found.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

from django import forms
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import policy
from accounts.permissions import Permission
from audit import selectors
from audit.actor import Actor
from audit.events import Target
from audit.record import record
from audit.request_id import time_of
from keys.admin.search import found
from keys.models import Key
from keys.secrets import digest, parse

if TYPE_CHECKING:
    from audit.models import Call

MOST_FOUND = 20
# Words of a pasted text that may be API IDs.
MOST_NAMED = 200
LONGEST = 10_000
LONGEST_NAME = 200
# A request ID says when it was made, give or take the clocks of gateway and database.
CLOCKS = timedelta(hours=1)
TOKEN = re.compile(r"[A-Za-z0-9]{1,20}_[A-Za-z0-9]{12}_[A-Za-z0-9]{38}")
API_ID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{12}(?![0-9A-Za-z])")
REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class FindForm(forms.Form):
    text = forms.CharField(
        label="Find a key",
        max_length=LONGEST,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=(
            "Paste a token, a line of a log or a request ID; or type an API ID, the last 4 of it, the start of a word"
            " of the name or of the owner’s e-mail. What is pasted is matched and not kept."
        ),
    )


@dataclass(frozen=True, slots=True)
class Match:
    """A key, what the text has to do with it, and the path of its page, unless it is deleted."""

    key: Key
    why: str

    @property
    def url(self) -> str:
        return "" if self.key.deleted_at else reverse("admin:keys_key_change", args=[self.key.pk])


@dataclass(frozen=True, slots=True)
class Found:
    """`by` says in words what the text was taken for; `more` is true where not all are here."""

    by: str
    matches: list[Match]
    calls: list[Call]
    more: bool = False


@transaction.atomic
def find(*, text: str, by: Actor) -> Found:
    """Look for keys by what was pasted or typed. Raises Denied."""
    policy.require(by, Permission.ADMINISTRATION, account=None)
    told = _by_what_is_in(text) or _by_search(text)
    keys = [match.key for match in told.matches]
    accounts = {key.account_id for key in keys}
    only = keys[0] if len(keys) == 1 else None
    record(
        "admin.searched",
        by=by,
        # Whose key was looked for sees it in their trail.
        account_id=accounts.pop() if len(accounts) == 1 else None,
        target=Target("key", only.public_id, only.name) if only else None,
        what=told.by,
        keys=[key.public_id for key in keys],
    )
    return told


def _by_what_is_in(text: str) -> Found | None:
    """Tokens, API IDs and request IDs, wherever in the text; None if there are none that are known."""
    text = unquote(text)
    tokens = {token[token.index("_") + 1 :][:12]: token for token in TOKEN.findall(text)}
    calls = [call for given in sorted(set(REQUEST_ID.findall(text)))[:MOST_FOUND] if (call := _call(UUID(given)))]
    named = {*API_ID.findall(text), *tokens, *(call.key_id for call in calls)}
    keys = Key.objects.filter(public_id__in=sorted(named)[:MOST_NAMED]).select_related("account", "owner", "api")
    rows = list(keys.defer("api__document").prefetch_related("secrets").order_by("pk")[: MOST_FOUND + 1])
    matches = [Match(key, _verdict(key, tokens.get(key.public_id))) for key in rows[:MOST_FOUND]]
    if tokens:
        return Found("a token", matches, calls, len(rows) > MOST_FOUND)
    if matches or calls:
        return Found("a request ID" if calls else "an API ID", matches, calls, len(rows) > MOST_FOUND)
    return None


def _by_search(text: str) -> Found:
    keys = Key.objects.filter(deleted_at=None)
    numbers = found(keys, text) if len(text) <= LONGEST_NAME else []
    rows = keys.filter(pk__in=numbers[:MOST_FOUND]).select_related("account", "owner", "api").order_by("-pk")
    matches = [Match(key, "") for key in rows.defer("api__document")]
    return Found("a name, an e-mail or the last 4", matches, [], len(numbers) > MOST_FOUND)


def _verdict(key: Key, token: str | None) -> str:
    if key.deleted_at is not None:
        return f"Deleted on {key.deleted_at:%Y-%m-%d %H:%M} UTC; its secrets are destroyed."
    if token is None:
        return ""
    if parse(token) is None:
        return "The token is mistyped: its checksum is wrong."
    now = timezone.now()
    for secret in key.secrets.all():
        pepper = settings.TOKEN_PEPPERS.get(secret.pepper_id)
        if pepper is None or not hmac.compare_digest(digest(token, pepper), bytes(secret.digest)):
            continue
        if secret.retires_at is None:
            return "The token is its current secret."
        until = f"{secret.retires_at:%Y-%m-%d %H:%M} UTC"
        accepted = secret.retires_at > now
        return f"The token is its old secret, {'accepted until' if accepted else 'refused since'} {until}."
    return "The token is not its secret: mistyped, or changed since."


def _call(request_id: UUID) -> Call | None:
    calls = selectors.every_call().filter(request_id=request_id)
    if made := time_of(request_id):
        calls = calls.filter(time__range=(made - CLOCKS, made + CLOCKS))
    return calls.order_by("time").first()
