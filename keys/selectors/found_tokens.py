"""Say of tokens that were found in a text whose they are, whether they are accepted, and who used them last.

Nothing here keeps or repeats a token: results hold its masked form.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import QuerySet

from keys import models
from keys.crypto.secrets import compute_digest, mask_token
from keys.crypto.token_scan import FoundToken, scan
from keys.decision.access import authorise
from keys.decision.types import Call
from keys.decision.types import Key as DecisionKey
from keys.models import Key, Secret
from keys.selectors.decision_keys import load_keys
from keys.selectors.keys import with_status, with_use

# How many different tokens of a text the finder looks up; find_tokens looks up all.
MAX_TOKENS = 100
# How many lines are named of each.
MAX_LINES = 20
MAX_ADDRESSES = 5
# What the decision says of the key itself, whatever the call.
STATES = {
    "account_inactive": "its account is not active, or the API is not enabled for it",
    "owner_inactive": "its owner is not active",
    "key_disabled": "the key is disabled",
    "key_expired": "the key has expired",
}
MISTYPED = "The token is mistyped: its checksum is wrong."
OF_NO_KEY = "This token does not belong to any key."
_ANY_CALL = Call("", "", "GET", "", "/", "", "", None, None, whoami=True)


@dataclass(slots=True)
class TokenPlaces:
    """One token and the lines that hold it: the first MAX_LINES of them, and their number."""

    first: FoundToken
    lines: list[int]
    line_count: int

    @property
    def more_lines(self) -> int:
        return self.line_count - len(self.lines)


@dataclass(frozen=True, slots=True)
class TokensInText:
    """The different tokens of a text; `more` is true if there are others, which were left out."""

    places: tuple[TokenPlaces, ...] = ()
    more: bool = False


@dataclass(frozen=True, slots=True)
class TokenState:
    """Whose token it is, and whether the gateway accepts it, with the reason in words.

    `key` is None if no key of those searched has its API ID. `addresses` are those that used this very secret, latest
    first.
    """

    masked: str
    key: Key | None
    live: bool
    why: str
    used_at: datetime | None = None
    addresses: tuple[tuple[str, datetime], ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it is a token at all, or the key that it names exists: other text may have the shape by chance."""
        return self.key is not None or self.why != MISTYPED or self.masked.startswith(f"{settings.TOKEN_PREFIX}_")


def collect_tokens(read: Callable[[int], bytes]) -> TokensInText:
    """Return the tokens in what `read(size)` returns until it returns nothing. Raise CompressedFile."""
    places: dict[str, TokenPlaces] = {}
    more = False
    for found in scan(read):
        known = places.get(found.token)
        if known is None and len(places) >= MAX_TOKENS:
            more = True
            continue
        if known is None:
            known = places[found.token] = TokenPlaces(found, [], 0)
        known.line_count += 1
        if known.line_count <= MAX_LINES:
            known.lines.append(found.line)
    return TokensInText(tuple(places.values()), more)


def assess_tokens(keys: QuerySet[Key], tokens: Iterable[FoundToken]) -> dict[str, TokenState]:
    """Return the state of each token by its text. `keys` are those to search, deleted ones included."""
    by_token = {each.token: each for each in tokens}
    found = load_found_keys(keys, {each.public_id for each in by_token.values()})
    decided = load_decision_keys(found.values())
    return {token: _assess(each, found.get(each.public_id), decided) for token, each in by_token.items()}


def load_found_keys(keys: QuerySet[Key], public_ids: Collection[str]) -> dict[str, Key]:
    """Return the keys with these API IDs as the finder shows them, with their secrets and when those were used."""
    rows = with_use(with_status(keys.filter(public_id__in=public_ids))).select_related("account", "owner", "api")
    rows = rows.defer("api__document").prefetch_related("secrets__use")
    return {key.public_id: key for key in rows.order_by("pk")}


def load_decision_keys(keys: Iterable[Key]) -> dict[str, DecisionKey]:
    """Return the live ones of these keys as the gateway decides by them."""
    return load_keys(Key.objects.filter(pk__in=[key.pk for key in keys])).keys


def describe_refusal(key: Key, decided: DecisionKey | None) -> str:
    """Return why the gateway refuses every call with the key, in words; empty if it does not."""
    if key.deleted_at is not None:
        return f"deleted on {key.deleted_at:%Y-%m-%d %H:%M} UTC; its secrets are destroyed"
    return STATES.get(authorise(_ANY_CALL, decided, now=time.time()).reason, "") if decided else "the key is deleted"


def _assess(found: FoundToken, key: Key | None, decided: dict[str, DecisionKey]) -> TokenState:
    masked = mask_token(found.prefix, found.public_id)
    if key is None:
        return TokenState(masked, None, False, OF_NO_KEY if found.intact else MISTYPED)
    refusal = describe_refusal(key, decided.get(key.public_id))
    if key.deleted_at is not None:
        return TokenState(masked, key, False, f"Refused: {refusal}.")
    if not found.intact:
        return TokenState(masked, key, False, MISTYPED)
    secret = _match_secret(key, found.token)
    if secret is None:
        why = "This is not the key's token: it was mistyped, or the key has changed since."
        return TokenState(masked, key, False, why)
    live, why = True, "This is the key's current token."
    if secret.retires_at is not None:
        live = secret.retires_at > datetime.now(UTC)
        until = f"{secret.retires_at:%Y-%m-%d %H:%M} UTC"
        why = f"This is the key's old token, {'accepted until' if live else 'refused since'} {until}."
    if live and refusal:
        live, why = False, f"{why} It is refused: {refusal}."
    elif live:
        why = f"{why} It is live: accepted from {_describe_addresses(decided[key.public_id])}."
    use: models.SecretUse | None = getattr(secret, "use", None)
    return TokenState(masked, key, live, why, use.used_at if use else None, _list_addresses(use))


def _match_secret(key: Key, token: str) -> Secret | None:
    for secret in key.secrets.all():
        pepper = settings.TOKEN_PEPPERS.get(secret.pepper_id)
        if pepper is not None and hmac.compare_digest(compute_digest(token, pepper), bytes(secret.digest)):
            return secret
    return None


def _describe_addresses(decided: DecisionKey) -> str:
    if not decided.restricted:
        return "any address"
    if len(decided.rules) == 1:
        return decided.rules[0].text
    return f"{len(decided.rules)} addresses or ranges" if decided.rules else "no address"


def _list_addresses(use: models.SecretUse | None) -> tuple[tuple[str, datetime], ...]:
    if use is None:
        return ()
    known = {use.address: use.used_at.isoformat(), **use.addresses}
    latest = sorted(((datetime.fromisoformat(at), address) for address, at in known.items()), reverse=True)
    return tuple((address, at) for at, address in latest[:MAX_ADDRESSES])
