"""Decides a batch of calls from the in-memory snapshot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.snapshot import Snapshot
from gateway.waiting_call import WaitingCall
from keys.decision.access import (
    INVALID_CREDENTIALS,
    REPLAYED,
    Decision,
    PresentedCredential,
    Proof,
    Secret,
    authenticate,
    authorise,
    authorise_preflight,
    find_secret_ended_by_use,
    has_allowed_slash,
    has_unambiguous_route,
    select_credential,
)

UNKNOWN_API = "unknown_api"


def decide(
    batch: Sequence[WaitingCall],
    snapshot: Snapshot,
    peppers: Mapping[int, bytes],
    *,
    now: float,
    end_overlap: Callable[[WaitingCall, Secret], None],
) -> list[tuple[WaitingCall, Decision]]:
    """Return a decision for each call of a known API.

    Calls of an unknown API are answered here and get no row. A call that ends an overlap goes to `end_overlap` with the
    old secret and has no decision yet. `now` is the time of the database in Unix seconds.
    """
    decisions = []
    used: set[tuple[str, str]] = set()
    for waiting in batch:
        call = waiting.call
        api = waiting.api = snapshot.apis.get(waiting.api_slug)
        if api is None or (call.whoami and "signature" in api.credentials):
            waiting.refuse(UNKNOWN_API)
            continue
        routes = api.routes
        presented = waiting.presented = select_credential(call, api) if routes.recordings else call.presented
        if (waiting.refusal and not has_allowed_slash(call, api)) or (
            routes.conditional and not has_unambiguous_route(call, api)
        ):
            decisions.append((waiting, _refuse_unread(waiting, presented, snapshot, now)))
            continue
        key = snapshot.get_key(presented.public_id) if presented else None
        reason, secret = authenticate(presented, key, api, now=now, peppers=peppers)
        waiting.secret, waiting.nonce = secret, None
        if reason or key is None or secret is None:
            let_through = authorise_preflight(call, api, now=now) if call.preflight else None
            decisions.append((waiting, let_through or Decision(call, key, now, reason or INVALID_CREDENTIALS)))
            continue
        decision = authorise(call, key, now=now)
        if not decision.reason:
            old = find_secret_ended_by_use(key, secret, now) if len(key.secrets) > 1 else None
            if old is not None and old.id != waiting.ended_overlap:
                end_overlap(waiting, old)
                continue
            if presented is not None and presented.proof is not None and presented.proof.nonce:
                decision = _refuse_repeated_nonce(waiting, decision, key.public_id, presented.proof, used)
        decisions.append((waiting, decision))
    return decisions


def _refuse_unread(
    waiting: WaitingCall, presented: PresentedCredential | None, snapshot: Snapshot, now: float
) -> Decision:
    """Return the refusal of a call that is not authenticated, because its request is malformed or its route ambiguous.
    It names the key that was presented, so that the account sees the refusal."""
    call = waiting.call
    waiting.secret = waiting.nonce = None
    presented = waiting.presented = presented or call.presented or call.link
    key = snapshot.get_key(presented.public_id) if presented else None
    return Decision(call, key, now, waiting.refusal or "unreadable_request")


def _refuse_repeated_nonce(
    waiting: WaitingCall, decision: Decision, key_id: str, proof: Proof, used: set[tuple[str, str]]
) -> Decision:
    """Return the decision, or a refusal if an earlier call of the batch has the nonce; `used` has those of all."""
    nonce = (key_id, proof.nonce)
    if nonce in used:
        return decision._replace(reason=REPLAYED)
    used.add(nonce)
    waiting.nonce = proof
    return decision
