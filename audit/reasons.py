"""Why the gateway decided as it did, in words, from a row of the API log."""

from __future__ import annotations

from audit.models import Call

# By reason code: what failed, as a heading, and what was seen.
REFUSED: dict[str, tuple[str, str]] = {
    "unreadable_request": (
        "The request could not be read",
        "Its method, path, query, headers or address were missing, contradictory or ambiguous, so it was not judged.",
    ),
    "invalid_credentials": (
        "The credentials are not valid",
        "There were none, more than one, or of another kind than {api} takes; or they belong to no live key of it.",
    ),
    "stale_timestamp": (
        "The request's time is not now",
        "The secret matched, but the timestamp is more than 300 seconds off, or the link is outside its time.",
    ),
    "secret_retired": (
        "The secret is retired",
        "It was a secret of {key} once; the key was changed since, and its overlap is over.",
    ),
    "account_inactive": ("The account is not active", "{account} was not active, or may not use {api}."),
    "owner_inactive": ("The key's owner is not active", "{key} belongs to {owner}, who was deactivated."),
    "key_disabled": ("The key is disabled", "The secret matched, but {key} was disabled."),
    "key_expired": ("The key has expired", "The secret matched, but {key} was past its expiry."),
    "replayed": ("The request was sent before", "Its nonce had already been used with {key}."),
    "ip_not_allowed": (
        "The address is not allowed",
        "The call came from {client_address}, which no entry of {key}'s addresses lets in.",
    ),
    "module_not_granted": (
        "The route is not granted",
        "{method} {path} belongs to {module}, which {key} is not granted.",
    ),
    "recordings_not_allowed": (
        "Recordings are not allowed",
        "{key} is not allowed to download call recordings.",
    ),
    "unavailable": ("The gateway could not decide", "It refused the call, because it could not ask its database."),
}


def heading(call: Call) -> str:
    if call.decision == "allowed":
        return "Every check passed"
    return REFUSED.get(call.reason, ("The call was refused", ""))[0]


def why(call: Call) -> str:
    """What the deciding check saw."""
    if call.decision == "allowed":
        seen = f"The credentials of {_key(call)} matched; account, owner, key and expiry were good"
        return f"{seen}, {call.client_address} was let in, and {call.module or 'the route'} is granted."
    told = REFUSED.get(call.reason, ("", "Its code is {reason}."))[1]
    return told.format(
        api=call.api or "the API",
        key=_key(call),
        account=call.account or "The account",
        owner=call.owner or "someone",
        client_address=call.client_address or "an unreadable address",
        method=call.method,
        path=call.path,
        module=f"the module {call.module}" if call.module else "no module",
        reason=call.reason,
    )


def _key(call: Call) -> str:
    return f"the key “{call.key_name}”" if call.key_name else "the key"
