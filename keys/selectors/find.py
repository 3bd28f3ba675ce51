"""Find keys, calls and events by pasted text: a token, a log line, a request ID, or words.

The text is matched only: no result contains it.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from audit.trail.selectors import list_events_of_requests
from core.redaction import decode_basic
from core.request_id import get_creation_time
from keys.crypto.secrets import compute_digest, parse_token
from keys.models import Key
from keys.selectors.search import search_keys

if TYPE_CHECKING:
    from audit.models import Call, Event

MAX_MATCHES = 20
# How many candidates for API IDs are taken from a pasted text.
MAX_WORDS = 200
MAX_TEXT_LENGTH = 10_000
MAX_NAME_LENGTH = 200
# A request ID contains its time of creation; the clocks of gateway and database may differ by this much.
MAX_CLOCK_SKEW = timedelta(hours=1)
TOKEN = re.compile(r"[A-Za-z0-9]{1,20}_[A-Za-z0-9]{12}_[A-Za-z0-9]{38}")
API_ID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{12}(?![0-9A-Za-z])")
REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class FindForm(forms.Form):
    text = forms.CharField(
        label="Find a key",
        max_length=MAX_TEXT_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"}),
        help_text=(
            "Paste a token, a log line or a request ID; or enter an API ID or its last 4 characters, the start of a"
            " word in the key’s name, or the start of the owner’s e-mail. Pasted text is matched and not stored."
        ),
    )


@dataclass(frozen=True, slots=True)
class Match:
    """A key that the text names, and why.

    `live` is whether a token in the text is accepted as far as the secret decides; None if the text holds no token.
    """

    key: Key
    why: str
    live: bool | None = None


@dataclass(frozen=True, slots=True)
class FindResult:
    """What the text names. `by` describes in words what the text was taken for; `more` is true if keys were left
    out."""

    by: str
    matches: Sequence[Match]
    calls: Sequence[Call]
    events: Sequence[Event] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: `keys` may include deleted ones; `calls` are those that a request ID may name.

    With `account_id`, events of that account are found by request ID too.
    """

    keys: QuerySet[Key]
    calls: QuerySet[Call]
    account_id: int | None = None


def find_keys(scope: Scope, text: str) -> FindResult:
    """Return what the text names: by the tokens, API IDs and request IDs in it, else by its words."""
    return _find_by_identifiers(scope, text) or _find_by_words(scope, text)


def _find_by_identifiers(scope: Scope, text: str) -> FindResult | None:
    """Return None if the text has no token and no known API ID or request ID."""
    text = unquote(text)
    text = f"{text} {decode_basic(text)}"
    tokens = {token[token.index("_") + 1 :][:12]: token for token in TOKEN.findall(text)}
    request_ids = [UUID(given) for given in sorted(set(REQUEST_ID.findall(text)))[:MAX_MATCHES]]
    calls = [call for request_id in request_ids if (call := _find_call(scope, request_id))]
    events = list_events_of_requests(scope.account_id, request_ids) if scope.account_id and request_ids else []
    named = {*API_ID.findall(text), *tokens, *(call.key_id for call in calls)}
    keys = scope.keys.filter(public_id__in=sorted(named)[:MAX_WORDS]).select_related("account", "owner", "api")
    rows = list(keys.defer("api__document").prefetch_related("secrets").order_by("pk")[: MAX_MATCHES + 1])
    matches = [_build_match(key, tokens.get(key.public_id)) for key in rows[:MAX_MATCHES]]
    if not (tokens or matches or calls or events):
        return None
    by = "a token" if tokens else "a request ID" if calls or events else "an API ID"
    return FindResult(by, matches, calls, events, len(rows) > MAX_MATCHES)


def _find_by_words(scope: Scope, text: str) -> FindResult:
    keys = scope.keys.filter(deleted_at=None)
    candidates = Key.objects.filter(deleted_at=None)
    if scope.account_id:
        candidates = candidates.filter(account=scope.account_id)
    numbers = search_keys(candidates, text) if len(text) <= MAX_NAME_LENGTH else []
    rows = keys.filter(pk__in=numbers[:MAX_MATCHES]).select_related("account", "owner", "api").order_by("-pk")
    matches = [Match(key, "") for key in rows.defer("api__document")]
    return FindResult("a name, an e-mail or the last 4 characters", matches, [], more=len(numbers) > MAX_MATCHES)


def _build_match(key: Key, token: str | None) -> Match:
    if key.deleted_at is not None:
        why = f"Deleted on {key.deleted_at:%Y-%m-%d %H:%M} UTC; its secrets are destroyed."
        return Match(key, why, None if token is None else False)
    if token is None:
        return Match(key, "")
    if parse_token(token) is None:
        return Match(key, "The token is mistyped: its checksum is wrong.", False)
    now = timezone.now()
    for secret in key.secrets.all():
        pepper = settings.TOKEN_PEPPERS.get(secret.pepper_id)
        if pepper is None or not hmac.compare_digest(compute_digest(token, pepper), bytes(secret.digest)):
            continue
        if secret.retires_at is None:
            return Match(key, "This is the key’s current token.", True)
        until = f"{secret.retires_at:%Y-%m-%d %H:%M} UTC"
        accepted = secret.retires_at > now
        why = f"This is the key’s old token, {'accepted until' if accepted else 'refused since'} {until}."
        return Match(key, why, accepted)
    return Match(key, "This is not the key’s token: it was mistyped, or the key has changed since.", False)


def _find_call(scope: Scope, request_id: UUID) -> Call | None:
    calls = scope.calls.filter(request_id=request_id)
    if made := get_creation_time(request_id):
        calls = calls.filter(time__range=(made - MAX_CLOCK_SKEW, made + MAX_CLOCK_SKEW))
    return calls.order_by("time").first()
