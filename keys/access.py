"""The decision: may this call be made with this key? Two pure functions over plain values.

`authenticate` asks whether the caller holds the key's secret; `authorise` whether the key may make the call. Nothing
here reads a database, a setting or a clock. The gateway calls both; a question without a secret calls the second alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from keys import secrets, signatures
from keys.addresses import Address, Rule, matching_rule
from keys.routes import Route, RouteTable

# Every refusal of a known API, with its status. What a client without a matching secret is told is always the first.
INVALID_CREDENTIALS, STALE, REPLAYED = "invalid_credentials", "stale_timestamp", "replayed"
STATUS = {
    INVALID_CREDENTIALS: 401,
    STALE: 401,
    "secret_retired": 401,
    "account_inactive": 401,
    "owner_inactive": 401,
    "key_disabled": 401,
    "key_expired": 401,
    REPLAYED: 401,
    "ip_not_allowed": 403,
    "module_not_granted": 403,
    "recordings_not_allowed": 403,
    "unreadable_request": 403,
    "unavailable": 403,
}


class Proof(NamedTuple):
    """What was signed with the secret instead of sending it: by a request, or by a recording link (without a nonce).
    It counts from `since` to `until`, Unix seconds, both included."""

    text: str
    signature: str
    since: int
    until: int
    nonce: str = ""
    body_sha256: str = ""

    def __repr__(self) -> str:
        return f"Proof(from {self.since} to {self.until})"


class Presented(NamedTuple):
    """What the client sent to prove itself: the kind (a value of the log's `credential`), and the token, with the
    username beside it if it is Basic; or, without a token, the proof that the client has it."""

    kind: str
    public_id: str
    token: str
    username: str = ""
    proof: Proof | None = None

    def __repr__(self) -> str:
        return f"Presented({self.kind}, {self.public_id})"


@dataclass(slots=True)
class Call:
    """One request to decide on, in fields that the log can store. `presented` is the credential in its headers, None
    for none or unusable ones; `link` the recording link in its query, None also if the headers hold a credential.

    `sent_query` is the query as latin-1 text of the bytes sent, secrets and all; `query` is what the log keeps of it.
    `whoami`: the key's holder asks about the key itself, and no module is needed.
    """

    request_id: str
    proxy: str
    method: str
    host: str
    path: str
    query: str
    user_agent: str
    client_address: Address | None
    presented: Presented | None
    link: Presented | None = None
    sent_query: str = field(default="", repr=False)
    whoami: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Api:
    """An API as the gateway knows it. `credentials` are the kinds that its policy takes."""

    id: int
    slug: str
    credentials: frozenset[str]
    unlisted_allowed: bool
    modules: tuple[tuple[int, str], ...]
    routes: RouteTable


class Secret(NamedTuple):
    """A stored secret: its row, keyed digest, the pepper's number, and when it retires (Unix seconds) or None; then
    also whether the first allowed use of the key's new secret retires it at once. `token` is the secret itself where
    clients sign with it, None if its sealed form does not open."""

    id: UUID
    digest: bytes
    pepper_id: int
    retires_at: float | None
    ends_on_use: bool = False
    token: str | None = None

    def __repr__(self) -> str:
        return f"Secret({self.id})"

    def retired(self, now: float) -> bool:
        return self.retires_at is not None and self.retires_at <= now


@dataclass(slots=True, frozen=True, eq=False)
class Key:
    """A key with everything around it that decides, as of one moment. Times are Unix seconds."""

    id: int
    public_id: str
    name: str
    account_id: int
    account: str
    account_active: bool
    owner_id: int
    owner: str
    owner_active: bool
    api: Api
    api_enabled: bool
    enabled: bool
    deleted: bool
    expires_at: float | None
    all_modules: bool
    module_ids: frozenset[int]
    rules: tuple[Rule, ...]
    secrets: tuple[Secret, ...]
    # Of the IP lists that the rules come from, too.
    list_ids: frozenset[int] = frozenset()
    username: str = ""
    mask: bool = False
    phone_mask: str = ""
    hlr: bool = False
    recordings: bool = False

    @property
    def restricted(self) -> bool:
        """Without a rule and without a list, every address is admitted; a list without live entries admits nobody."""
        return bool(self.rules or self.list_ids)

    @property
    def granted(self) -> list[str]:
        """The slugs of its modules."""
        return [slug for module, slug in self.api.modules if self.all_modules or module in self.module_ids]


class Checked(NamedTuple):
    """One check as it went: its name, whether it passed, and what it saw, in words."""

    name: str
    passed: bool
    saw: str


class Decision(NamedTuple):
    """Allowed, or denied for one reason; with the route and the address rule that matched, where it came so far."""

    call: Call
    key: Key | None
    now: float
    reason: str = ""
    route: Route | None = None
    address_rule: Rule | None = None

    @property
    def allowed(self) -> bool:
        return not self.reason

    @property
    def status(self) -> int:
        return STATUS[self.reason] if self.reason else 200

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


def readable(call: Call, api: Api) -> bool:
    """Whether the call takes one route of the API, however its query is read."""
    return call.whoami or not api.routes.conditional or api.routes.readable(call.method, call.path, call.sent_query)


def credential(call: Call, api: Api) -> Presented | None:
    """What counts as the call's credential: on a recording's route the link alone, elsewhere never a link."""
    if api.routes.recordings and not call.whoami:
        route = api.routes.match(call.method, call.path, call.sent_query)
        if route is not None and route.recording:
            return call.link if route.takes_link else None
    return call.presented


def authenticate(
    presented: Presented | None, candidate: Key | None, api: Api, *, now: float, peppers: Mapping[int, bytes]
) -> tuple[str, Secret | None]:
    """The refusal's reason, or "" and the secret that matched. `presented` is the call's `credential`.

    An unknown key costs what a known one costs: one digest or signature is always computed.
    """
    if presented is None or presented.kind not in api.credentials:
        return INVALID_CREDENTIALS, None
    if presented.proof is None:
        matched = _holder(presented, candidate, peppers)
    else:
        matched = _signer(presented.proof, candidate, now)
    if candidate is None or matched is None or candidate.deleted or candidate.api.id != api.id:
        return INVALID_CREDENTIALS, None
    proof = presented.proof
    if proof is not None and not proof.since <= now <= proof.until:
        return STALE, matched
    if matched.retires_at is not None and matched.retires_at <= now:
        return "secret_retired", matched
    return "", matched


def ended_by_use(key: Key, used: Secret, now: float) -> Secret | None:
    """The key's old secret, if an allowed call with `used` ends its overlap."""
    if len(key.secrets) == 1 or used.retires_at is not None:
        return None
    return next((old for old in key.secrets if old.ends_on_use and old is not used and not old.retired(now)), None)


def _holder(presented: Presented, candidate: Key | None, peppers: Mapping[int, bytes]) -> Secret | None:
    """The candidate's secret that was sent; with a username, only under that name."""
    matched = None
    for secret in candidate.secrets if candidate is not None else ():
        pepper = peppers.get(secret.pepper_id)
        if pepper is not None and hmac.compare_digest(secrets.digest(presented.token, pepper), secret.digest):
            matched = secret
            break
    else:
        if candidate is None or not candidate.secrets:
            secrets.digest(presented.token, peppers[max(peppers)])
    if presented.kind == "basic":
        username = candidate.username if candidate is not None else ""
        named = hmac.compare_digest(presented.username.encode(), username.encode())
        return matched if named and username else None
    return matched


def _signer(proof: Proof, candidate: Key | None, now: float) -> Secret | None:
    """The candidate's secret that signed. A retired one signs nothing any more."""
    matched = None
    tokens = [(each.token, each) for each in (candidate.secrets if candidate is not None else ()) if each.token]
    for token, secret in tokens or (("", None),):
        if hmac.compare_digest(signatures.sign(token, proof.text), proof.signature) and secret is not None:
            matched = None if secret.retired(now) else secret
    return matched


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
