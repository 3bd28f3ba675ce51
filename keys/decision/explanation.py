"""Explain the decision about a call: each check in the gateway's order, with what it saw. Pure.

The functions that the gateway puts together decide here too. What only the gateway knows is left out: the proxy's
proof, and whether a nonce was used before.
"""

from __future__ import annotations

from collections.abc import Mapping

from keys.decision.access import CHECKS, CheckResult, authorise
from keys.decision.authentication import authenticate, has_allowed_slash, has_unambiguous_route, select_credential
from keys.decision.types import INVALID_CREDENTIALS, STALE, Api, Call, Key

UNKNOWN_KEY = "no key has this API ID"
# The code of the refusal for each check that can fail, in the order in which they are made.
REFUSALS = {
    "request": "unreadable_request",
    "credential": INVALID_CREDENTIALS,
    "key": INVALID_CREDENTIALS,
    "secret": INVALID_CREDENTIALS,
    "timestamp": STALE,
    "retirement": "secret_retired",
    **{check.name: check.refusal for check in CHECKS},
}


def explain(
    call: Call,
    candidate: Key | None,
    api: Api,
    *,
    now: float,
    peppers: Mapping[int, bytes] | None,
    unknown: str = UNKNOWN_KEY,
) -> list[CheckResult]:
    """Return the checks of a call with a readable path in order, up to the one that decides.

    `candidate` is the key with the presented API ID; without one, `unknown` says why. Without `peppers`, the secret or
    signature is assumed to be correct: only its kind is checked.
    """
    checks = [_explain_request(call, api), _explain_credential(call, api), _explain_key(candidate, api, unknown)]
    if peppers is not None:
        checks += _explain_secret(call, candidate, api, now=now, peppers=peppers)
    if candidate is not None and all(check.passed for check in checks):
        return checks + authorise(call, candidate, now=now).checks
    refused = next((place for place, check in enumerate(checks) if not check.passed), len(checks))
    return checks[: refused + 1]


def _explain_request(call: Call, api: Api) -> CheckResult:
    if call.encoded_slash and not has_allowed_slash(call, api):
        return CheckResult("request", False, f"{call.path} contains an encoded slash where {api.slug} allows none")
    if not has_unambiguous_route(call, api):
        return CheckResult("request", False, "a query parameter that decides about the route can be read in two ways")
    return CheckResult("request", True, f"{call.method} {call.path}")


def _explain_credential(call: Call, api: Api) -> CheckResult:
    presented = select_credential(call, api)
    accepted = ", ".join(sorted(api.credentials))
    passed = presented is not None and presented.kind in api.credentials
    kind = "no well-formed credential" if presented is None else presented.kind
    return CheckResult("credential", passed, f"{kind} is presented; {api.slug} accepts {accepted}")


def _explain_key(candidate: Key | None, api: Api, unknown: str) -> CheckResult:
    if candidate is None:
        return CheckResult("key", False, unknown)
    if candidate.deleted:
        return CheckResult("key", False, f"the key {candidate.public_id} is deleted")
    if candidate.api.id != api.id:
        return CheckResult("key", False, f"{candidate.public_id} is a key of {candidate.api.slug}, not of {api.slug}")
    return CheckResult("key", True, f"{candidate.public_id} is a key of {api.slug}")


def _explain_secret(
    call: Call, candidate: Key | None, api: Api, *, now: float, peppers: Mapping[int, bytes]
) -> list[CheckResult]:
    """Return the checks of the secret or signature, its time, and whether the secret is retired."""
    reason, secret = authenticate(select_credential(call, api), candidate, api, now=now, peppers=peppers)
    if secret is None:
        return [CheckResult("secret", False, "no secret of the key matches")]
    label = "current" if secret.retires_at is None else "old"
    in_time, retired = reason != STALE, reason == "secret_retired"
    return [
        CheckResult("secret", True, f"the {label} secret of the key matches"),
        CheckResult("timestamp", in_time, "what is signed is in time" if in_time else "what is signed is out of time"),
        CheckResult("retirement", not retired, "the secret is retired" if retired else "the secret is not retired"),
    ]
