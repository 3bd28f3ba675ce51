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
        "The credential is missing, incomplete, wrong or for another API, or there was more than one. The response is "
        "the same in all these cases.",
        "Send exactly one credential, as described here. Check for a truncated secret, or one of another key.",
    ),
    STALE: (
        "The timestamp is more than 300 seconds off, or the recording link is outside its period of validity.",
        "Correct the machine's clock, and sign each request when it is sent. Create a new link.",
    ),
    "secret_retired": (
        "The secret is correct, but it was replaced and no longer works.",
        "Use the key's new secret. Ask an administrator of your account for it.",
    ),
    "account_inactive": (
        "The account is not active, or the API is not enabled for it.",
        "Ask an administrator of your account. Support activates accounts and enables APIs.",
    ),
    "owner_inactive": (
        "The key's owner is no longer active.",
        "Ask an administrator of your account to reassign the key.",
    ),
    "key_disabled": ("The key is disabled.", "Ask an administrator of your account to enable it."),
    "key_expired": ("The key has expired.", "Ask an administrator of your account for a later expiry or a new key."),
    REPLAYED: (
        "The nonce was used before.",
        "Use a new nonce for each request, and sign again before each retry.",
    ),
    "ip_not_allowed": (
        "The key does not allow the address that the call came from, which is in the header X-Client-Address.",
        "Call from an allowed address, or ask an administrator of your account to add this one.",
    ),
    "module_not_granted": (
        "The key may not call this route.",
        "Compare method, path and query with the routes on this page. Ask for the module that you need.",
    ),
    "recordings_not_allowed": (
        "The key may not download call recordings.",
        "Ask an administrator of your account to allow it.",
    ),
    "unreadable_request": (
        "The path, query or headers are ambiguous.",
        "Do not send //, /../, ;, \\ or encoded slashes in the path, nor repeat a parameter that selects the route.",
    ),
    "unavailable": (
        "The gateway cannot decide about calls at the moment, so it refuses them.",
        "Retry with increasing pauses. Sign each retry again with a new nonce.",
    ),
}
# Faults of the proxy's configuration, whoever calls.
_OF_THE_PROXY = {
    "unknown_api": "The proxy asked about an API that does not exist.",
    "gateway_secret": "The proxy could not authenticate itself.",
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
    remedy = "You cannot fix this yourself. Contact the operator of the API."
    return (*met, *(Refusal(code, 403, meaning, remedy) for code, meaning in _OF_THE_PROXY.items()))
