"""What each refusal means to a client, and what to do about it: for key docs and the gateway. Pure."""

from __future__ import annotations

from keys.decision.types import REPLAYED, STALE

# By code: the meaning and the remedy.
WORDS: dict[str, tuple[str, str]] = {
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
        "Use the key's new secret. Ask an Administrator of the account for it.",
    ),
    "account_inactive": (
        "The account is not active, or the API is not enabled for it.",
        "Ask an Administrator of the account. Support activates accounts and enables APIs.",
    ),
    "owner_inactive": (
        "The key's owner is no longer active.",
        "Ask an Administrator of the account to reassign the key.",
    ),
    "key_disabled": ("The key is disabled.", "Ask an Administrator of the account to enable it."),
    "key_expired": ("The key has expired.", "Ask an Administrator of the account for a later expiry or a new key."),
    REPLAYED: (
        "The nonce was used before.",
        "Use a new nonce for each request, and sign again before each retry.",
    ),
    "ip_not_allowed": (
        "The key does not allow the address that the call came from, which is in the header X-Client-Address.",
        "Call from an allowed address, or ask an Administrator of the account to add this one.",
    ),
    "module_not_granted": (
        "The key may not call this route.",
        "Compare method, path and query with the routes on this page. Ask for the module that you need.",
    ),
    "recordings_not_allowed": (
        "The key may not download call recordings.",
        "Ask an Administrator of the account to allow it.",
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
