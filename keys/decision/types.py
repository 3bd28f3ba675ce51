"""What a decision is made of: a call, the credential in it, the key it names, and the refusals there are. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from keys.decision.addresses import Address, Rule
from keys.decision.routes import RouteTable

# Every refusal of a known API, with its status. What a client without a matching secret is told is always the first.
INVALID_CREDENTIALS, STALE, REPLAYED = "invalid_credentials", "stale_timestamp", "replayed"
# The one reason of an allowed call: it needed no key.
PREFLIGHT = "preflight"
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


class PresentedCredential(NamedTuple):
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
    presented: PresentedCredential | None
    link: PresentedCredential | None = None
    sent_query: str = field(default="", repr=False)
    whoami: bool = False
    # Of a CORS preflight: the method that it asks about.
    preflight: str = ""
    # The path holds encoded slashes, as `%2F`, and is refused but for them: a route may take it nevertheless.
    encoded_slash: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Api:
    """An API as the gateway knows it. `credentials` are the kinds that its policy takes."""

    id: int
    slug: str
    credentials: frozenset[str]
    unlisted_allowed: bool
    modules: tuple[tuple[int, str], ...]
    routes: RouteTable
    # What modules contain, by their numbers; those that contain nothing are not there.
    contained: Mapping[int, frozenset[int]] = field(default_factory=dict)
    # Whether CORS preflights of its routes need no key.
    preflight: bool = False


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

    def is_retired(self, now: float) -> bool:
        return self.retires_at is not None and self.retires_at <= now


@dataclass(slots=True, frozen=True, eq=False)
class Key:
    """A key with everything around it that decides, as of one moment. Times are Unix seconds. `module_ids` are the
    modules that it was granted and all that they contain."""

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
        """The slugs of its modules, contained ones too."""
        return [slug for module, slug in self.api.modules if self.all_modules or module in self.module_ids]
