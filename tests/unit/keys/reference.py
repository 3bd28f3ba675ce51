"""The decision again, slow and obvious, for comparison: over plain values, in the words of the contract."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


@dataclass
class Piece:
    """A piece of a query: its text; the parameter that it is; and the one that it makes unreadable, if any."""

    text: str
    name: str = ""
    value: str = ""
    spoils: str = ""


@dataclass
class Way:
    """A route: method, template, conditions, module; whether it is a recording's."""

    method: str
    segments: tuple[str, ...]
    conditions: dict[str, str]
    module: int
    recording: bool = False


@dataclass
class Service:
    """An API."""

    number: int
    kinds: set[str]
    unlisted_allowed: bool
    ways: list[Way]


@dataclass
class Held:
    """A secret that a key has: in clear, until when, and whether the gateway has its pepper and could open it."""

    token: str
    retires_at: float | None = None
    pepper_known: bool = True
    opens: bool = True


@dataclass
class Holder:
    """A key."""

    api: int
    secrets: list[Held] = field(default_factory=list)
    username: str = ""
    deleted: bool = False
    account_active: bool = True
    api_enabled: bool = True
    owner_active: bool = True
    enabled: bool = True
    expires_at: float | None = None
    networks: list[IPv4Network | IPv6Network] = field(default_factory=list)
    lists: int = 0
    all_modules: bool = True
    modules: set[int] = field(default_factory=set)
    recordings: bool = False


@dataclass
class Shown:
    """A credential as a client sends it: a token, or what it has signed, with the time for which that counts."""

    kind: str
    token: str = ""
    username: str = ""
    signed: str = ""
    signature: str = ""
    earliest: float = 0
    latest: float = 0


@dataclass
class Asked:
    method: str
    segments: tuple[str, ...]
    pieces: list[Piece]
    address: IPv4Address | IPv6Address | None
    in_headers: Shown | None
    in_query: Shown | None
    whoami: bool = False


def takes(segment: str, text: str) -> bool:
    if "{" not in segment:
        return segment == text
    before, _, rest = segment.partition("{")
    behind = rest.partition("}")[2]
    return text.startswith(before) and text.endswith(behind) and len(text) > len(before) + len(behind)


def same_path(way: Way, call: Asked) -> bool:
    method = "GET" if call.method == "HEAD" else call.method
    return (
        way.method == method
        and len(way.segments) == len(call.segments)
        and all(takes(segment, text) for segment, text in zip(way.segments, call.segments, strict=True))
    )


def variability(segment: str) -> int:
    return 0 if "{" not in segment else 2 if segment[0] == "{" and segment[-1] == "}" else 1


def way_of(call: Asked, api: Service) -> Way | None:
    values = {piece.name: piece.value for piece in call.pieces}
    fitting = [
        way
        for way in api.ways
        if same_path(way, call) and all(values.get(name) == value for name, value in way.conditions.items())
    ]
    fitting.sort(key=lambda way: ([variability(segment) for segment in way.segments], -len(way.conditions)))
    return fitting[0] if fitting else None


def unreadable(call: Asked, api: Service) -> bool:
    conditions = [(name, value) for way in api.ways if same_path(way, call) for name, value in way.conditions.items()]
    for name in {name for name, _ in conditions}:
        if any(piece.spoils == name for piece in call.pieces):
            return True
        if sum(piece.name == name for piece in call.pieces) > 1:
            return True
    for piece in call.pieces:
        if "+" in piece.text and any((piece.name, value) in conditions for value in ("a+b", "a b")):
            return True
    return False


def decide(call: Asked, key: Holder | None, api: Service, now: float) -> str:
    """Return the refusal's code, or nothing."""
    if not call.whoami and unreadable(call, api):
        return "unreadable_request"
    way = None if call.whoami else way_of(call, api)
    shown = call.in_query if way is not None and way.recording else call.in_headers
    if shown is None or shown.kind not in api.kinds or key is None or key.deleted or key.api != api.number:
        return "invalid_credentials"
    if shown.signed:
        proved = [
            held
            for held in key.secrets
            if held.opens
            and (held.retires_at is None or held.retires_at > now)
            and hmac.new(held.token.encode(), shown.signed.encode(), hashlib.sha256).hexdigest() == shown.signature
        ]
    else:
        proved = [held for held in key.secrets if held.pepper_known and held.token == shown.token]
        if shown.kind == "basic" and (not key.username or key.username != shown.username):
            proved = []
    if not proved:
        return "invalid_credentials"
    if shown.signed and (now < shown.earliest or now > shown.latest):
        return "stale_timestamp"
    if proved[0].retires_at is not None and now >= proved[0].retires_at:
        return "secret_retired"
    if not key.account_active or not key.api_enabled:
        return "account_inactive"
    if not key.owner_active:
        return "owner_inactive"
    if not key.enabled:
        return "key_disabled"
    if key.expires_at is not None and now >= key.expires_at:
        return "key_expired"
    if call.address is None:
        return "ip_not_allowed"
    if (key.networks or key.lists) and not any(call.address in network for network in key.networks):
        return "ip_not_allowed"
    if call.whoami:
        return ""
    if way is not None and way.recording:
        return "" if key.recordings else "recordings_not_allowed"
    if way is None:
        return "" if api.unlisted_allowed else "module_not_granted"
    return "" if key.all_modules or way.module in key.modules else "module_not_granted"
