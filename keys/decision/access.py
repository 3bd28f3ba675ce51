"""The decision: may this call be made with this key? Two pure functions over plain values.

`authenticate` asks whether the caller holds the key's secret; `authorise` whether the key may make the call. Nothing
here reads a database, a setting or a clock. The gateway calls both; a question without a secret calls the second alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from keys.decision.addresses import Rule, matching_rule
from keys.decision.authentication import authenticate, credential, ended_by_use, has_allowed_slash, readable
from keys.decision.routes import Route
from keys.decision.types import (
    INVALID_CREDENTIALS,
    PREFLIGHT,
    REPLAYED,
    STALE,
    STATUS,
    Api,
    Call,
    Key,
    Presented,
    Proof,
    Secret,
)

__all__ = [
    "CHECKS",
    "INVALID_CREDENTIALS",
    "PREFLIGHT",
    "REPLAYED",
    "STALE",
    "STATUS",
    "Api",
    "Call",
    "Checked",
    "Decision",
    "Key",
    "Presented",
    "Proof",
    "Secret",
    "authenticate",
    "authorise",
    "authorise_preflight",
    "credential",
    "ended_by_use",
    "has_allowed_slash",
    "readable",
]


class Checked(NamedTuple):
    """One check as it went: its name, whether it passed, and what it saw, in words."""

    name: str
    passed: bool
    saw: str


class Decision(NamedTuple):
    """Allowed, or denied for one reason; with the route and the address rule that matched, where it came so far. A
    preflight is allowed without a key, for the reason PREFLIGHT."""

    call: Call
    key: Key | None
    now: float
    reason: str = ""
    route: Route | None = None
    address_rule: Rule | None = None

    @property
    def allowed(self) -> bool:
        return not self.reason or self.reason == PREFLIGHT

    @property
    def status(self) -> int:
        return 200 if self.allowed else STATUS[self.reason]

    @property
    def hlr(self) -> bool:
        """Whether the upstream shall look the leads' numbers up: the key says so, and this route adds leads."""
        return self.key is not None and self.key.hlr and self.route is not None and self.route.adds_leads

    @property
    def rule(self) -> str:
        """The address rule and the route that matched, as the log shows them."""
        if self.address_rule and self.route:
            return f"{self.address_rule.text}; {self.route.text}"
        matched = self.address_rule or self.route
        return matched.text if matched else ""

    @property
    def checks(self) -> list[Checked]:
        """The checks of `authorise` in their order, up to the one that decided."""
        seen: list[Checked] = []
        if self.key is None:
            return seen
        question = _question(self.call, self.key, self.now)
        for check in CHECKS:
            passed = check.passes(question)
            seen.append(Checked(check.name, passed, check.saw(question)))
            if not passed:
                break
        return seen


class _Question(NamedTuple):
    """What the checks look at; what matched is looked up once for all of them."""

    call: Call
    key: Key
    now: float
    route: Route | None
    rule: Rule | None


def _question(call: Call, key: Key, now: float) -> _Question:
    rule = matching_rule(call.client_address, key.rules) if key.rules and call.client_address is not None else None
    route = None if call.whoami else key.api.routes.match(call.method, call.path, call.sent_query)
    return _Question(call, key, now, route, rule)


class _Check(NamedTuple):
    name: str
    refusal: str
    passes: Callable[[_Question], bool]
    saw: Callable[[_Question], str]
    of_route: bool = False


def _account_saw(asked: _Question) -> str:
    state = "active" if asked.key.account_active else "not active"
    enabled = "" if asked.key.api_enabled else f"; {asked.key.api.slug} is not enabled for it"
    return f"account {asked.key.account} is {state}{enabled}"


def _address_saw(asked: _Question) -> str:
    allowed = ", ".join(rule.text for rule in asked.key.rules) or (
        "no address" if asked.key.restricted else "any address"
    )
    return f"{asked.call.client_address}; the key admits {allowed}"


def _expiry_saw(asked: _Question) -> str:
    if asked.key.expires_at is None:
        return "the key does not expire"
    return f"the key expires at {_instant(asked.key.expires_at)}; it was {_instant(asked.now)}"


def _module_passes(asked: _Question) -> bool:
    route = asked.route
    if route is None:
        return asked.call.whoami or asked.key.api.unlisted_allowed
    return asked.key.all_modules or route.recording or route.module_id in asked.key.module_ids


def _module_saw(asked: _Question) -> str:
    if asked.call.whoami:
        return "the key itself was asked about, which needs no module"
    if asked.route is not None and asked.route.recording:
        return f"{asked.call.method} {asked.call.path} is {asked.route.text}, a recording, which needs no module"
    route = f"is {asked.route.text} of {asked.route.module}" if asked.route else "is in no module"
    granted = "all modules" if asked.key.all_modules else ", ".join(asked.key.granted) or "no module"
    return f"{asked.call.method} {asked.call.path} {route}; the key has {granted}"


def _recording_passes(asked: _Question) -> bool:
    return asked.route is None or not asked.route.recording or asked.key.recordings


def _recording_saw(asked: _Question) -> str:
    wanted = "a recording" if asked.route is not None and asked.route.recording else "no recording"
    return f"{wanted} is asked for; the key {'may' if asked.key.recordings else 'may not'} download recordings"


def _instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# In the order of the contract; the first that fails decides.
CHECKS: tuple[_Check, ...] = (
    _Check(
        "account",
        "account_inactive",
        lambda asked: asked.key.account_active and asked.key.api_enabled,
        _account_saw,
    ),
    _Check(
        "owner",
        "owner_inactive",
        lambda asked: asked.key.owner_active,
        lambda asked: f"owner {asked.key.owner} is {'active' if asked.key.owner_active else 'not active'}",
    ),
    _Check(
        "enabled",
        "key_disabled",
        lambda asked: asked.key.enabled,
        lambda asked: f"the key is {'enabled' if asked.key.enabled else 'disabled'}",
    ),
    _Check(
        "expiry",
        "key_expired",
        lambda asked: asked.key.expires_at is None or asked.now < asked.key.expires_at,
        _expiry_saw,
    ),
    _Check(
        "address",
        "ip_not_allowed",
        lambda asked: asked.rule is not None or (asked.call.client_address is not None and not asked.key.restricted),
        _address_saw,
    ),
    _Check("module", "module_not_granted", _module_passes, _module_saw, of_route=True),
    _Check("recording", "recordings_not_allowed", _recording_passes, _recording_saw, of_route=True),
)


_PASSES = tuple(check.passes for check in CHECKS)


def authorise(call: Call, key: Key, *, now: float) -> Decision:
    """Whether the key, its secret proved, may make the call."""
    question = _question(call, key, now)
    for place, passes in enumerate(_PASSES):
        if not passes(question):
            check = CHECKS[place]
            return Decision(call, key, now, check.refusal, question.route if check.of_route else None)
    return Decision(call, key, now, "", question.route, question.rule)


def authorise_preflight(call: Call, api: Api, *, now: float) -> Decision | None:
    """Return the decision that lets a CORS preflight through without a key; None if it needs one like any other call.

    Its API must allow it, and the method that it asks about must be that of a route there, which is read in one way
    only and is no recording's.
    """
    if not (api.preflight and call.preflight) or call.whoami:
        return None
    if not api.routes.readable(call.preflight, call.path, call.sent_query):
        return None
    route = api.routes.match(call.preflight, call.path, call.sent_query)
    return None if route is None or route.recording else Decision(call, None, now, PREFLIGHT, route)
