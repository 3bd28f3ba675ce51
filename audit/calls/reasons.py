"""Explain in words, from a row of the API log, why the gateway decided as it did."""

from __future__ import annotations

from audit.models import Call

# By reason code: a heading and an explanation.
REFUSED: dict[str, tuple[str, str]] = {
    "unreadable_request": (
        "The request could not be read",
        "Its method, path, query, headers or client address were missing, contradictory or ambiguous.",
    ),
    "invalid_credentials": (
        "The credentials are not valid",
        "They were malformed, of a kind that {api} does not accept, or did not match any of its keys.",
    ),
    "stale_timestamp": (
        "The timestamp is out of range",
        "{key} signed it, but its timestamp was more than 300 seconds off.",
    ),
    "secret_retired": (
        "The secret is retired",
        "It is an old secret of {key}. The key was changed, and the overlap has ended.",
    ),
    "account_inactive": ("The account is not active", "{account} was not active, or {api} was not enabled for it."),
    "owner_inactive": ("The key's owner is not active", "{key} belongs to {owner}, who was deactivated."),
    "key_disabled": ("The key is disabled", "The secret matched, but {key} was disabled."),
    "key_expired": ("The key has expired", "The secret matched, but {key} was past its expiry."),
    "replayed": ("The request was already sent", "Its nonce had already been used with {key}."),
    "ip_not_allowed": (
        "The address is not allowed",
        "The call came from {client_address}, which {key} does not allow.",
    ),
    "module_not_granted": (
        "The route is not granted",
        "{method} {path} belongs to the module {module}, which {key} was not granted.",
    ),
    "recordings_not_allowed": (
        "Recordings are not allowed",
        "{method} {path} is a call recording, and {key} was not allowed to download recordings.",
    ),
    "unavailable": (
        "The gateway could not decide",
        "The call was refused because the gateway could not reach its database.",
    ),
}

ALLOWED = (
    "The credentials of {key} matched; account, owner, key and expiry were valid, {client_address} was allowed, and "
    "{granted}."
)
# The reason of calls that needed no key.
PREFLIGHT = (
    "A CORS preflight",
    "A browser checked whether a page may call {path}. The policy of {api} allows preflight requests for its routes "
    "without a key.",
)
# Explanations for reasons with more than one cause, chosen by the row.
NO_CREDENTIALS = "There was no credential that {api} accepts, or more than one."
NOT_PROVED = (
    "They name {key}, but do not contain a live secret of it, or the key was deleted or belongs to another API."
)
LINK_OUT_OF_TIME = "{key} signed the link, but it had expired, or its expiry is more than 7 days ahead."
UNLISTED = "{method} {path} is not in any module of {api}, and unlisted routes are denied."


def get_heading(call: Call) -> str:
    """Return a short phrase for what decided the call, for example "The key has expired"."""
    if call.decision == "allowed":
        return PREFLIGHT[0] if call.reason == "preflight" else "Every check passed"
    return REFUSED.get(call.reason, ("The call was refused", ""))[0]


def explain(call: Call) -> str:
    """Return a sentence about what the deciding check found."""
    template = (PREFLIGHT[1] if call.reason else ALLOWED) if call.decision == "allowed" else _get_cause(call)
    text = template.format(
        api=call.api or "the API",
        key=f'the key "{call.key_name}"' if call.key_name else "the key",
        account=f"the account {call.account}" if call.account else "the account",
        owner=call.owner or "someone",
        client_address=call.client_address or "an unreadable address",
        method=call.method,
        path=call.path,
        module=call.module,
        granted=_describe_grant(call),
        reason=call.reason,
    )
    return text[:1].upper() + text[1:]


def _get_cause(call: Call) -> str:
    match call.reason:
        case "invalid_credentials" if call.key_id:
            return NOT_PROVED
        case "invalid_credentials" if not call.credential:
            return NO_CREDENTIALS
        case "stale_timestamp" if call.credential == "recording":
            return LINK_OUT_OF_TIME
        case "module_not_granted" if not call.module:
            return UNLISTED
    return REFUSED.get(call.reason, ("", "Its code is {reason}."))[1]


def _describe_grant(call: Call) -> str:
    if call.credential == "recording":
        return "recordings are allowed"
    return f"the module {call.module} is granted" if call.module else "the route needs no module"
