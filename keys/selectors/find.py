"""Find keys, calls and events by pasted text or an uploaded file: tokens, a log line, a request ID, or words.

The text is matched only: no result contains it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import unquote
from uuid import UUID

from django.db.models import QuerySet

from audit.trail.selectors import list_events_of_requests
from core.redaction import decode_basic
from core.request_id import get_creation_time
from keys.models import Key
from keys.selectors.found_tokens import (
    MAX_TOKENS,
    TokenPlaces,
    TokensInText,
    TokenState,
    assess_tokens,
    describe_refusal,
    load_decision_keys,
    load_found_keys,
)
from keys.selectors.search import search_keys

if TYPE_CHECKING:
    from audit.models import Call, Event

MAX_MATCHES = 20
# How many candidates for API IDs are taken from a pasted text.
MAX_WORDS = 200
# In longer texts only tokens are looked for.
MAX_LINE_LENGTH = 10_000
MAX_NAME_LENGTH = 200
# A request ID contains its time of creation; the clocks of gateway and database may differ by this much.
MAX_CLOCK_SKEW = timedelta(hours=1)
API_ID = re.compile(r"(?<![0-9A-Za-z])[0-9A-Za-z]{12}(?![0-9A-Za-z])")
REQUEST_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class TokenMatch:
    """A token of the text: where it stands, and whose it is."""

    places: TokenPlaces
    state: TokenState


@dataclass(frozen=True, slots=True)
class Match:
    """A key that the text names, by its tokens or otherwise.

    `refusal` says why the gateway refuses all calls with it; empty if it does not. `tokens` are those of the text that
    name it.
    """

    key: Key
    refusal: str = ""
    tokens: tuple[TokenMatch, ...] = ()

    @property
    def live(self) -> bool:
        """Whether a token in the text is accepted."""
        return any(token.state.live for token in self.tokens)


@dataclass(frozen=True, slots=True)
class FindResult:
    """What the text names. `by` describes in words what the text was taken for; `more` is true if keys were left
    out. `unknown` are tokens of none of these keys, `more_tokens` whether others were not looked up."""

    by: str
    matches: Sequence[Match]
    calls: Sequence[Call] = ()
    events: Sequence[Event] = ()
    more: bool = False
    unknown: Sequence[TokenMatch] = ()
    more_tokens: bool = False

    @property
    def keys(self) -> list[Key]:
        return [match.key for match in self.matches]


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to search: `keys` may include deleted ones; `calls` are those that a request ID may name.

    With `account_id`, events of that account are found by request ID too.
    """

    keys: QuerySet[Key]
    calls: QuerySet[Call]
    account_id: int | None = None


def find_keys(scope: Scope, text: str, tokens: TokensInText) -> FindResult:
    """Return what the text names, which contains these tokens: by them and the API IDs and request IDs in it, else by
    its words."""
    found = _find_by_tokens(scope, tokens)
    if len(text) > MAX_LINE_LENGTH or not text:
        return found or FindResult("a token", ())
    return _find_by_identifiers(scope, text, found) or _find_by_words(scope, text)


def find_named_keys(keys: QuerySet[Key], public_ids: Collection[str]) -> FindResult:
    """Return the keys with these API IDs, up to MAX_TOKENS, in their present state."""
    return FindResult("an API ID", _build_matches(load_found_keys(keys, sorted(public_ids)[:MAX_TOKENS])))


def _find_by_tokens(scope: Scope, tokens: TokensInText) -> FindResult | None:
    """Return the keys of the tokens; None if there are no tokens."""
    states = assess_tokens(scope.keys, (each.first for each in tokens.places))
    matches = [TokenMatch(each, states[each.first.token]) for each in tokens.places]
    matches = [each for each in matches if each.state.is_ours]
    if not matches:
        return None
    by_key: dict[int, list[TokenMatch]] = {}
    keys: dict[str, Key] = {}
    for match in matches:
        if (key := match.state.key) is not None:
            by_key.setdefault(key.pk, []).append(match)
            keys[key.public_id] = key
    found = [replace(match, tokens=tuple(by_key[match.key.pk])) for match in _build_matches(keys)]
    return FindResult(
        "a token" if len(matches) == 1 else f"{len(matches)} tokens",
        # What must be acted on first.
        sorted(found, key=lambda match: not match.live),
        unknown=[match for match in matches if match.state.key is None],
        more_tokens=tokens.more,
    )


def _find_by_identifiers(scope: Scope, text: str, by_tokens: FindResult | None) -> FindResult | None:
    """Add to what was found by tokens. Return None if the text has no token and no known API ID or request ID."""
    text = unquote(text)
    text = f"{text} {decode_basic(text)}"
    request_ids = [UUID(each) for each in sorted(set(REQUEST_ID.findall(text)))[:MAX_MATCHES]]
    calls = [call for request_id in request_ids if (call := _find_call(scope, request_id))]
    events = list_events_of_requests(scope.account_id, request_ids) if scope.account_id and request_ids else []
    matches = list(by_tokens.matches) if by_tokens else []
    known = {match.key.public_id for match in matches}
    named = {*API_ID.findall(text), *(call.key_id for call in calls)} - known
    rows = load_found_keys(scope.keys, sorted(named)[:MAX_WORDS])
    first_rows = dict(list(rows.items())[:MAX_MATCHES])
    matches += _build_matches(first_rows)
    if not (by_tokens or matches or calls or events):
        return None
    by = by_tokens.by if by_tokens else "a request ID" if calls or events else "an API ID"
    found = by_tokens or FindResult(by, ())
    return replace(found, matches=matches, calls=calls, events=events, more=len(first_rows) < len(rows))


def _find_by_words(scope: Scope, text: str) -> FindResult:
    candidates = Key.objects.filter(deleted_at=None)
    if scope.account_id:
        candidates = candidates.filter(account=scope.account_id)
    numbers = search_keys(candidates, text) if len(text) <= MAX_NAME_LENGTH else []
    keys = scope.keys.filter(deleted_at=None, pk__in=numbers[:MAX_MATCHES])
    named = list(keys.order_by("-pk").values_list("public_id", flat=True))
    rows = load_found_keys(keys, named)
    matches = _build_matches({public_id: rows[public_id] for public_id in named if public_id in rows})
    return FindResult("a name, an e-mail or the last 4 characters", matches, more=len(numbers) > MAX_MATCHES)


def _build_matches(keys: dict[str, Key]) -> list[Match]:
    decided = load_decision_keys(keys.values())
    return [Match(key, describe_refusal(key, decided.get(public_id))) for public_id, key in keys.items()]


def _find_call(scope: Scope, request_id: UUID) -> Call | None:
    calls = scope.calls.filter(request_id=request_id)
    if created_at := get_creation_time(request_id):
        calls = calls.filter(time__range=(created_at - MAX_CLOCK_SKEW, created_at + MAX_CLOCK_SKEW))
    return calls.order_by("time").first()
