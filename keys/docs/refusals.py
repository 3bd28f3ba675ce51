"""Explain the gateway's refusals to clients: what each means, and what to do. Pure."""

from __future__ import annotations

from typing import NamedTuple

from keys.apis.policy import Policy
from keys.decision.access import REPLAYED, STALE, STATUS


class Refusal(NamedTuple):
    code: str
    status: int
    meaning: str
    remedy: str


_WORDS = {
    "invalid_credentials": (
        "The credential is missing, incomplete, wrong or another API's, or there was more than one. The answer is the "
        "same for all of these.",
        "Send exactly one credential, as described here. Look for a secret that was cut off, or of another key.",
    ),
    STALE: (
        "The time of the signature is more than 300 seconds off, or the recording link is not within its time.",
        "Set the machine's clock, and sign each request when it is sent. Make a new link.",
    ),
    "secret_retired": (
        "The secret was right, but it was changed and its time is over.",
        "Use the key's new secret; an administrator of your account can hand it over.",
    ),
    "account_inactive": (
        "The account is not active, or the API is not enabled for it.",
        "Ask an administrator of your account; Support activates accounts and enables APIs.",
    ),
    "owner_inactive": (
        "The key's owner is no longer active.",
        "Ask an administrator of your account to reassign the key.",
    ),
    "key_disabled": ("The key is disabled.", "Ask an administrator of your account to enable it."),
    "key_expired": ("The key's time is over.", "Ask an administrator of your account for a new end or a new key."),
    REPLAYED: (
        "The nonce was used before.",
        "Take another nonce for each request, and sign again before you try again.",
    ),
    "ip_not_allowed": (
        "The key does not admit the address that the call came from; the header X-Client-Address names it.",
        "Call from an address that the key admits, or ask an administrator of your account to add this one.",
    ),
    "module_not_granted": (
        "The key may not call this route.",
        "Compare method, path and query with the routes of this page; ask for the module that you need.",
    ),
    "recordings_not_allowed": (
        "The key may not download call recordings.",
        "Ask an administrator of your account to allow it.",
    ),
    "unreadable_request": (
        "Path, query or headers could be read in more than one way.",
        "Send no //, /../, ;, \\ or encoded slash in the path, and no parameter twice that decides which route it is.",
    ),
    "unavailable": (
        "Nobody can decide about calls now, so they are refused.",
        "Try again, each time after a longer pause. Sign again with another nonce.",
    ),
}
# Faults of the proxy's configuration, whoever calls.
_OF_THE_PROXY = {
    "unknown_api": "The proxy asks about an API that there is not.",
    "gateway_secret": "The proxy could not prove itself.",
}
_FOR_LINKS = frozenset({"recordings_not_allowed"})


def list_refusals(rules: Policy, *, recordings: bool) -> tuple[Refusal, ...]:
    """Return the refusals that calls of an API can get; with `recordings`, also those of recording links."""
    unmet = set()
    if rules.signs:
        # Only a presented secret can be recognised as a retired one; a signature by it is invalid_credentials.
        unmet.add("secret_retired")
    else:
        unmet |= {STALE, REPLAYED}
    if not recordings:
        unmet |= _FOR_LINKS
    met = [Refusal(code, status, *_WORDS[code]) for code, status in STATUS.items() if code not in unmet]
    remedy = "Nothing on your side helps: tell whoever runs the API."
    return (*met, *(Refusal(code, 403, meaning, remedy) for code, meaning in _OF_THE_PROXY.items()))
