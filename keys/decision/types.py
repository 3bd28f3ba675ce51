"""Types of the decision: the call, its credential, the key, and the reasons of refusals. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from keys.decision.addresses import Address, Rule
from keys.decision.routes import RouteTable

# Every refusal of a known API with its status. Clients without a matching secret always get the first.
INVALID_CREDENTIALS, STALE, REPLAYED = "invalid_credentials", "stale_timestamp", "replayed"
# The only reason that an allowed call has: it needed no key.
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
    """What was signed with the secret, by a request or by a recording link (which has no nonce).

    It is valid from `since` to `until`, Unix seconds, both included.
    """

    text: str
    signature: str
    since: int
    until: int
    nonce: str = ""
    body_sha256: str = ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(from {self.since} to {self.until})"


class PresentedCredential(NamedTuple):
    """A credential as sent: its kind (a value of the log's `credential`) and the token, with the username for Basic.

    A signature has no token but the proof that the client knows it.
    """

    kind: str
    public_id: str
    token: str
    username: str = ""
    proof: Proof | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kind}, {self.public_id})"


@dataclass(slots=True)
class Call:
    """A request to decide on, in values that the log can store.

    `presented` is the credential in its headers, None for none or unusable ones; `link` is the recording link in its
    query, None if the headers have a credential. `sent_query` is the query as latin-1 text of the bytes sent, secrets
    included; `query` is what the log stores. `whoami` is a call of the key's holder about the key itself, which needs
    no module.
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
    # The method that a CORS preflight asks about.
    preflight: str = ""
    # The path contains encoded slashes, kept as `%2F`; it is refused unless its route allows them.
    encoded_slash: bool = False


@dataclass(slots=True, frozen=True, eq=False)
class Api:
    """An API as the gateway needs it. `credentials` are the kinds that its policy accepts."""

    id: int
    slug: str
    credentials: frozenset[str]
    unlisted_allowed: bool
    modules: tuple[tuple[int, str], ...]
    routes: RouteTable
    # The modules that a module contains, by ID; only modules that contain others are present.
    contained: Mapping[int, frozenset[int]] = field(default_factory=dict)
    # Whether CORS preflights of its routes are allowed without a key.
    preflight: bool = False


class Secret(NamedTuple):
    """A stored secret: primary key, keyed digest, pepper number, and when it retires (Unix seconds) or None.

    `ends_on_use`: the first allowed use of the key's new secret retires it at once. `token` is the secret itself where
    clients sign with it, or None if its sealed form does not open.
    """

    id: UUID
    digest: bytes
    pepper_id: int
    retires_at: float | None
    ends_on_use: bool = False
    token: str | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"

    def is_retired(self, now: float) -> bool:
        return self.retires_at is not None and self.retires_at <= now


@dataclass(slots=True, frozen=True, eq=False)
class Key:
    """A key with everything that decides about its calls, as of one moment. Times are Unix seconds.

    `module_ids` are the modules that it was granted and all that they contain.
    """

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
    # The IP lists that are attached, including those without enabled entries.
    list_ids: frozenset[int] = frozenset()
    username: str = ""
    mask: bool = False
    phone_mask: str = ""
    hlr: bool = False
    recordings: bool = False

    @property
    def restricted(self) -> bool:
        """Whether addresses are restricted: without rules and lists any is admitted; an empty list admits none."""
        return bool(self.rules or self.list_ids)

    @property
    def granted_slugs(self) -> list[str]:
        """The slugs of its modules, contained ones included."""
        return [slug for module, slug in self.api.modules if self.all_modules or module in self.module_ids]
