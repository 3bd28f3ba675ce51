"""Decide whether the caller holds the key's secret, sent or used for signing. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from keys.crypto import secrets, signatures
from keys.decision.types import INVALID_CREDENTIALS, STALE, Api, Call, Key, PresentedCredential, Proof, Secret


def has_unambiguous_route(call: Call, api: Api) -> bool:
    """Return whether the call matches the same route however its query is interpreted."""
    return (
        call.whoami or not api.routes.conditional or api.routes.is_unambiguous(call.method, call.path, call.sent_query)
    )


def has_allowed_slash(call: Call, api: Api) -> bool:
    """Return whether an encoded slash is all that makes the path unreadable, and the API's policy allows it there."""
    method = call.preflight or call.method
    return (
        call.encoded_slash and not call.whoami and api.routes.accepts_encoded_slash(method, call.path, call.sent_query)
    )


def select_credential(call: Call, api: Api) -> PresentedCredential | None:
    """Return the credential that counts for the call: on a recording's route only the link, elsewhere never a link."""
    if api.routes.recordings and not call.whoami:
        route = api.routes.match(call.method, call.path, call.sent_query)
        if route is not None and route.recording:
            return call.link if route.accepts_link else None
    return call.presented


def authenticate(
    presented: PresentedCredential | None, candidate: Key | None, api: Api, *, now: float, peppers: Mapping[int, bytes]
) -> tuple[str, Secret | None]:
    """Return ("", the secret that matched), or the reason of the refusal.

    `presented` is the result of `select_credential`. An unknown key takes the same work as a known one: one digest or
    signature is always computed.
    """
    if presented is None or presented.kind not in api.credentials:
        return INVALID_CREDENTIALS, None
    if presented.proof is None:
        matched = _match_sent_secret(presented, candidate, peppers)
    else:
        matched = _match_signing_secret(presented.proof, candidate, now)
    if candidate is None or matched is None or candidate.deleted or candidate.api.id != api.id:
        return INVALID_CREDENTIALS, None
    proof = presented.proof
    if proof is not None and not proof.since <= now <= proof.until:
        return STALE, matched
    if matched.retires_at is not None and matched.retires_at <= now:
        return "secret_retired", matched
    return "", matched


def find_secret_ended_by_use(key: Key, used: Secret, now: float) -> Secret | None:
    """Return the key's old secret if an allowed call with `used` ends its overlap; else None."""
    if len(key.secrets) == 1 or used.retires_at is not None:
        return None
    return next((old for old in key.secrets if old.ends_on_use and old is not used and not old.is_retired(now)), None)


def _match_sent_secret(
    presented: PresentedCredential, candidate: Key | None, peppers: Mapping[int, bytes]
) -> Secret | None:
    """Return the candidate's secret that was sent; with HTTP Basic, only if the username matches."""
    matched = None
    for secret in candidate.secrets if candidate is not None else ():
        pepper = peppers.get(secret.pepper_id)
        if pepper is not None and hmac.compare_digest(secrets.compute_digest(presented.token, pepper), secret.digest):
            matched = secret
            break
    else:
        if candidate is None or not candidate.secrets:
            secrets.compute_digest(presented.token, peppers[max(peppers)])
    if presented.kind == "basic":
        username = candidate.username if candidate is not None else ""
        named = hmac.compare_digest(presented.username.encode(), username.encode())
        return matched if named and username else None
    return matched


def _match_signing_secret(proof: Proof, candidate: Key | None, now: float) -> Secret | None:
    """Return the candidate's secret that made the signature. Retired secrets do not match."""
    matched = None
    tokens = [(each.token, each) for each in (candidate.secrets if candidate is not None else ()) if each.token]
    for token, secret in tokens or (("", None),):
        if hmac.compare_digest(signatures.sign(token, proof.text), proof.signature) and secret is not None:
            matched = None if secret.is_retired(now) else secret
    return matched
