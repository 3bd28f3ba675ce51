"""Explain the gateway's refusals to clients: what each means, and what to do. Pure."""

from __future__ import annotations

from typing import NamedTuple

from keys.apis.policy import Policy
from keys.decision.access import REPLAYED, STALE, STATUS
from keys.decision.refusal_words import WORDS


class Refusal(NamedTuple):
    code: str
    status: int
    meaning: str
    remedy: str


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
    met = [Refusal(code, status, *WORDS[code]) for code, status in STATUS.items() if code not in unmet]
    remedy = "You cannot fix this yourself. Contact the operator of the API."
    return (*met, *(Refusal(code, 403, meaning, remedy) for code, meaning in _OF_THE_PROXY.items()))
