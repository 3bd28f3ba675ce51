"""Decide whether a call may be made with a key, by pure functions over plain values.

`authenticate` decides whether the caller holds the key's secret, `authorise` whether the key may make the call. Nothing
here reads a database, a setting or a clock. The gateway calls both; the access check without a token calls only
`authorise`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from keys.decision.addresses import Rule, find_matching_rule
from keys.decision.authentication import (
    authenticate,
    find_secret_ended_by_use,
    has_allowed_slash,
    has_unambiguous_route,
    select_credential,
)
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
    PresentedCredential,
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
    "CheckResult",
    "Decision",
    "Key",
    "PresentedCredential",
    "Proof",
    "Secret",
    "authenticate",
    "authorise",
    "authorise_preflight",
    "find_secret_ended_by_use",
    "has_allowed_slash",
    "has_unambiguous_route",
    "select_credential",
]


class CheckResult(NamedTuple):
    """The outcome of one check: its name, whether it passed, and what it compared, in words."""

    name: str
    passed: bool
    explanation: str


class Decision(NamedTuple):
    """Allowed, or denied for one reason, with the route and the address rule that matched, as far as they were
    determined.

    A preflight is allowed without a key, for the reason PREFLIGHT.
    """

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
        """Whether the upstream shall look up the numbers of leads: the key has the flag, and the route adds leads."""
        return self.key is not None and self.key.hlr and self.route is not None and self.route.adds_leads

    @property
    def rule(self) -> str:
        """The address rule and the route that matched, as the log shows them."""
        if self.address_rule and self.route:
            return f"{self.address_rule.text}; {self.route.text}"
        matched = self.address_rule or self.route
        return matched.text if matched else ""

    @property
    def checks(self) -> list[CheckResult]:
        """The checks of `authorise` in order, up to the one that decided."""
        if self.key is None:
            return []
        refusal = authorise(self.call, self.key, now=self.now).reason
        context = _Context(self.call, self.key, self.now, _match_route(self.call, self.key.api))
        results: list[CheckResult] = []
        for check in CHECKS:
            results.append(CheckResult(check.name, check.refusal != refusal, check.explain(context)))
            if not results[-1].passed:
                break
        return results


class _Context(NamedTuple):
    """What the explanations of the checks name; route and address rule are matched once for all of them."""

    call: Call
    key: Key
    now: float
    route: Route | None


class _Check(NamedTuple):
    name: str
    refusal: str
    explain: Callable[[_Context], str]


def _match_route(call: Call, api: Api) -> Route | None:
    return None if call.whoami else api.routes.match(call.method, call.path, call.sent_query)


def _explain_account(context: _Context) -> str:
    state = "active" if context.key.account_active else "not active"
    enabled = "" if context.key.api_enabled else f"; {context.key.api.slug} is not enabled for it"
    return f"account {context.key.account} is {state}{enabled}"


def _explain_owner(context: _Context) -> str:
    return f"owner {context.key.owner} is {'active' if context.key.owner_active else 'not active'}"


def _explain_enabled(context: _Context) -> str:
    return f"the key is {'enabled' if context.key.enabled else 'disabled'}"


def _explain_expiry(context: _Context) -> str:
    if context.key.expires_at is None:
        return "the key does not expire"
    return f"the key expires at {_format_instant(context.key.expires_at)}; it was {_format_instant(context.now)}"


def _explain_address(context: _Context) -> str:
    allowed = ", ".join(rule.text for rule in context.key.rules) or (
        "no address" if context.key.restricted else "any address"
    )
    return f"{context.call.client_address}; the key admits {allowed}"


def _explain_module(context: _Context) -> str:
    if context.call.whoami:
        return "the call is about the key itself, which needs no module"
    if context.route is not None and context.route.recording:
        return f"{context.call.method} {context.call.path} is {context.route.text}, a recording, which needs no module"
    route = f"is {context.route.text} of {context.route.module}" if context.route else "is in no module"
    granted = "all modules" if context.key.all_modules else ", ".join(context.key.granted_slugs) or "no module"
    return f"{context.call.method} {context.call.path} {route}; the key has {granted}"


def _explain_recording(context: _Context) -> str:
    requirement = "a recording" if context.route is not None and context.route.recording else "no recording"
    return f"{requirement} is requested; the key {'may' if context.key.recordings else 'may not'} download recordings"


def _format_instant(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


# In the documented order, which is that of the conditions in `authorise`; the first check that fails decides.
CHECKS: tuple[_Check, ...] = (
    _Check("account", "account_inactive", _explain_account),
    _Check("owner", "owner_inactive", _explain_owner),
    _Check("enabled", "key_disabled", _explain_enabled),
    _Check("expiry", "key_expired", _explain_expiry),
    _Check("address", "ip_not_allowed", _explain_address),
    _Check("module", "module_not_granted", _explain_module),
    _Check("recording", "recordings_not_allowed", _explain_recording),
)


def authorise(call: Call, key: Key, *, now: float) -> Decision:
    """Return the decision about a call with a key whose secret was authenticated.

    Plain conditions, in the order of CHECKS: a function for each of them takes as long as all of this.
    """
    if not (key.account_active and key.api_enabled):
        return Decision(call, key, now, "account_inactive")
    if not key.owner_active:
        return Decision(call, key, now, "owner_inactive")
    if not key.enabled:
        return Decision(call, key, now, "key_disabled")
    if key.expires_at is not None and now >= key.expires_at:
        return Decision(call, key, now, "key_expired")
    address = call.client_address
    rule = find_matching_rule(address, key.rules) if key.rules and address is not None else None
    if rule is None and (address is None or key.restricted):
        return Decision(call, key, now, "ip_not_allowed")
    route = _match_route(call, key.api)
    if route is None:
        is_granted = call.whoami or key.api.unlisted_allowed
    elif route.recording:
        if not key.recordings:
            return Decision(call, key, now, "recordings_not_allowed", route)
        is_granted = True
    else:
        is_granted = key.all_modules or route.module_id in key.module_ids
    if not is_granted:
        return Decision(call, key, now, "module_not_granted", route)
    return Decision(call, key, now, "", route, rule)


def authorise_preflight(call: Call, api: Api, *, now: float) -> Decision | None:
    """Return the decision that allows a CORS preflight without a key; None if it needs one like any other call.

    The API must allow preflights, and the method that it asks about must match a route unambiguously; recordings are
    excluded.
    """
    if not (api.preflight and call.preflight) or call.whoami:
        return None
    if not api.routes.is_unambiguous(call.preflight, call.path, call.sent_query):
        return None
    route = api.routes.match(call.preflight, call.path, call.sent_query)
    return None if route is None or route.recording else Decision(call, None, now, PREFLIGHT, route)
