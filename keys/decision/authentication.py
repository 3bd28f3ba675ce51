"""Does the caller hold the key's secret? Sent, or signed with. Pure."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from keys.crypto import secrets, signatures
from keys.decision.types import INVALID_CREDENTIALS, STALE, Api, Call, Key, PresentedCredential, Proof, Secret


def has_unambiguous_route(call: Call, api: Api) -> bool:
    """Whether the call takes one route of the API, however its query is read."""
    return (
        call.whoami or not api.routes.conditional or api.routes.is_unambiguous(call.method, call.path, call.sent_query)
    )


def has_allowed_slash(call: Call, api: Api) -> bool:
    """Whether all that makes the call's path unreadable is an encoded slash, where the API's policy allows it."""
    method = call.preflight or call.method
    return (
        call.encoded_slash and not call.whoami and api.routes.accepts_encoded_slash(method, call.path, call.sent_query)
    )


def select_credential(call: Call, api: Api) -> PresentedCredential | None:
    """What counts as the call's credential: on a recording's route the link alone, elsewhere never a link."""
    if api.routes.recordings and not call.whoami:
        route = api.routes.match(call.method, call.path, call.sent_query)
        if route is not None and route.recording:
            return call.link if route.accepts_link else None
    return call.presented


def authenticate(
    presented: PresentedCredential | None, candidate: Key | None, api: Api, *, now: float, peppers: Mapping[int, bytes]
) -> tuple[str, Secret | None]:
    """The refusal's reason, or "" and the secret that matched. `presented` is the call's `credential`.

    An unknown key costs what a known one costs: one digest or signature is always computed.
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
    """The key's old secret, if an allowed call with `used` ends its overlap."""
    if len(key.secrets) == 1 or used.retires_at is not None:
        return None
    return next((old for old in key.secrets if old.ends_on_use and old is not used and not old.is_retired(now)), None)


def _match_sent_secret(
    presented: PresentedCredential, candidate: Key | None, peppers: Mapping[int, bytes]
) -> Secret | None:
    """The candidate's secret that was sent; with a username, only under that name."""
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
    """The candidate's secret that signed. A retired one signs nothing any more."""
    matched = None
    tokens = [(each.token, each) for each in (candidate.secrets if candidate is not None else ()) if each.token]
    for token, secret in tokens or (("", None),):
        if hmac.compare_digest(signatures.sign(token, proof.text), proof.signature) and secret is not None:
            matched = None if secret.is_retired(now) else secret
    return matched
