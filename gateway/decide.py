"""A batch's decisions, from memory alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.snapshot import Snapshot
from gateway.waiting_call import Pending
from keys.decision.access import (
    INVALID_CREDENTIALS,
    REPLAYED,
    Decision,
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
    batch: Sequence[Pending],
    snapshot: Snapshot,
    peppers: Mapping[int, bytes],
    *,
    now: float,
    end_overlap: Callable[[Pending, Secret], None],
) -> list[tuple[Pending, Decision]]:
    """A decision for every call of a known API. Calls of an unknown one are answered here, without a row; one that ends
    an overlap is handed over with the old secret, and has no decision yet. `now`: Unix seconds by the database."""
    decisions = []
    used: set[tuple[str, str]] = set()
    for pending in batch:
        call = pending.call
        api = pending.api = snapshot.apis.get(pending.api_slug)
        if api is None or (call.whoami and "signature" in api.credentials):
            pending.refuse(UNKNOWN_API)
            continue
        routes = api.routes
        presented = pending.presented = select_credential(call, api) if routes.recordings else call.presented
        if (pending.refusal and not has_allowed_slash(call, api)) or (
            routes.conditional and not has_unambiguous_route(call, api)
        ):
            pending.secret = pending.nonce = None
            # Whose it seems to be: nothing is proved, but that account should see it.
            presented = pending.presented = presented or call.presented or call.link
            key = snapshot.key(presented.public_id) if presented else None
            decisions.append((pending, Decision(call, key, now, pending.refusal or "unreadable_request")))
            continue
        key = snapshot.key(presented.public_id) if presented else None
        reason, secret = authenticate(presented, key, api, now=now, peppers=peppers)
        pending.secret, pending.nonce = secret, None
        if reason or key is None or secret is None:
            let_through = authorise_preflight(call, api, now=now) if call.preflight else None
            decisions.append((pending, let_through or Decision(call, key, now, reason or INVALID_CREDENTIALS)))
            continue
        decision = authorise(call, key, now=now)
        if not decision.reason:
            old = find_secret_ended_by_use(key, secret, now) if len(key.secrets) > 1 else None
            if old is not None and old.id != pending.ended:
                end_overlap(pending, old)
                continue
            if presented is not None and presented.proof is not None and presented.proof.nonce:
                nonce = (key.public_id, presented.proof.nonce)
                if nonce in used:
                    decision = decision._replace(reason=REPLAYED)
                else:
                    used.add(nonce)
                    pending.nonce = presented.proof
        decisions.append((pending, decision))
    return decisions
