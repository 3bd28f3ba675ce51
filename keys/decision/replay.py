"""Replay calls that were made: what the gateway decides about them with a key as it is, and as it would be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple, TypeVar

from keys.decision.access import Decision, authorise
from keys.decision.addresses import parse_address
from keys.decision.authentication import has_allowed_slash, has_unambiguous_route, select_credential
from keys.decision.routes import Route, RouteTable
from keys.decision.types import INVALID_CREDENTIALS, Api, Call, Key, PresentedCredential

T = TypeVar("T")
DAY_SECONDS = 86_400
# The refusals that a change of the key, its owner, account, lists or API can lift. The others lie in what was sent.
REVERSIBLE = frozenset(
    {
        *("account_inactive", "owner_inactive", "key_disabled", "key_expired", "ip_not_allowed"),
        *("module_not_granted", "recordings_not_allowed"),
    }
)


# What tells keys apart without deciding about their calls.
_LABELS = {"id", "public_id", "name", "account_id", "account", "owner_id", "owner", "username", "secrets"}
_get_deciding = attrgetter(*(field.name for field in fields(Key) if field.name not in {*_LABELS, "rules"}))


class UsedCalls(NamedTuple):
    """Calls that are alike but for the key: for each of `key_ids`, how many, and the time of the last one in Unix
    seconds. A key may be there twice.

    With a method, the calls are known by their path and query; without one, only by the text of the route that they
    matched: `path`, empty if they matched none.
    """

    address: str
    credential: str
    method: str
    path: str
    query: str
    whoami: bool
    reason: str
    module: str
    key_ids: Sequence[str]
    calls: Sequence[int]
    last_seen: Sequence[float]

    def split(self, kinds: Mapping[str, T]) -> Iterator[tuple[T, UsedCalls]]:
        """Yield the calls of the keys of each kind; `kinds` maps API IDs to them."""
        among = {kinds[key_id] for key_id in self.key_ids}
        for kind in among:
            if len(among) == 1:
                yield kind, self
            else:
                rows = zip(self.key_ids, self.calls, self.last_seen, strict=True)
                key_ids, calls, last_seen = zip(*(row for row in rows if kinds[row[0]] == kind), strict=True)
                yield kind, self._replace(key_ids=key_ids, calls=calls, last_seen=last_seen)

    def build_call(self) -> Call:
        presented = PresentedCredential(self.credential, "", "")
        is_link = self.credential == "recording"
        return Call(
            request_id="",
            proxy="",
            method=self.method,
            host="",
            path=self.path,
            query="",
            user_agent="",
            client_address=parse_address(self.address) if self.address else None,
            presented=None if is_link else presented,
            link=presented if is_link else None,
            sent_query=self.query,
            whoami=self.whoami,
            encoded_slash=bool(self.method) and "%2F" in self.path,
        )


class ReplayTable(RouteTable):
    """The routes of an API that match calls without a method by the text of the route that they once matched."""

    def __init__(self, table: RouteTable, by_text: Mapping[str, Route]) -> None:
        self._table, self._by_text = table, by_text
        self.conditional, self.recordings = table.conditional, table.recordings

    def match(self, method: str, path: str, query: str = "") -> Route | None:
        return self._table.match(method, path, query) if method else self._by_text.get(path)

    def is_unambiguous(self, method: str, path: str, query: str) -> bool:
        return not method or self._table.is_unambiguous(method, path, query)

    def accepts_encoded_slash(self, method: str, path: str, query: str) -> bool:
        return not method or self._table.accepts_encoded_slash(method, path, query)


def match_route(used: UsedCalls, api: Api) -> UsedCalls:
    """Return the calls as some that are known by their route, for replays that leave the routes of their API as they
    are. Those that can be read in two ways stay as they are."""
    if not used.method or used.whoami or not is_readable(used.build_call(), api):
        return used
    route = api.routes.match(used.method, used.path, used.query)
    return used._replace(method="", path="" if route is None else route.text, query="")


class Outcome(NamedTuple):
    """What a decision says: why the call is refused, empty if it is allowed, and the route that it matched."""

    reason: str
    route: Route | None


class ReplayedCalls(NamedTuple):
    """Calls that are alike, with the outcomes before and after the change."""

    used: UsedCalls
    before: Outcome
    after: Outcome

    @property
    def route(self) -> Route | None:
        return self.before.route or self.after.route

    @property
    def module(self) -> str:
        return self.route.module if self.route else self.used.module


class LastCall(NamedTuple):
    """The last call with a key, at `last_seen`."""

    last_seen: float
    key_id: str
    address: str


@dataclass(frozen=True)
class Effect:
    """What a change does to calls that were made, those that it refuses and those that it allows, most first.

    `allowed` is how many calls are allowed without the change. `stopped` are the API IDs of keys of which every allowed
    call would be refused. `locked_out` are the newest calls of keys that were used within a day, if no call from the
    same address would be allowed any more.
    """

    refused: Sequence[ReplayedCalls] = ()
    admitted: Sequence[ReplayedCalls] = ()
    allowed: int = 0
    stopped: frozenset[str] = frozenset()
    locked_out: Sequence[LastCall] = ()

    def __bool__(self) -> bool:
        return bool(self.refused or self.admitted)

    @property
    def is_severe(self) -> bool:
        """Whether the change must be confirmed: a key stops, or who used it last is locked out."""
        return bool(self.stopped or self.locked_out)

    @cached_property
    def refused_count(self) -> int:
        return sum(sum(each.used.calls) for each in self.refused)

    @cached_property
    def admitted_count(self) -> int:
        return sum(sum(each.used.calls) for each in self.admitted)


def is_readable(call: Call, api: Api) -> bool:
    """Return whether the call can be read in one way only."""
    return not (call.encoded_slash and not has_allowed_slash(call, api)) and has_unambiguous_route(call, api)


def decide(call: Call, key: Key, *, now: float) -> Decision:
    """Return the gateway's decision about a call with a key of `key.api`, provided that its secret or signature
    matches. What only the gateway knows is left out: the proxy's proof, and whether a nonce was used before."""
    if not is_readable(call, key.api):
        return Decision(call, key, now, "unreadable_request")
    presented = select_credential(call, key.api)
    if key.deleted or presented is None or presented.kind not in key.api.credentials:
        return Decision(call, key, now, INVALID_CREDENTIALS)
    return authorise(call, key, now=now)


def replay(calls: Iterable[UsedCalls], before: Mapping[str, Key], after: Mapping[str, Key], *, now: float) -> Effect:
    """Return the effect of a change from the keys `before` to those `after`, by API ID, on these calls.

    Calls that were refused for what was sent are left out: no setting changes that. Calls and keys that are alike in
    all that decides are decided once.
    """
    refused: list[ReplayedCalls] = []
    admitted: list[ReplayedCalls] = []
    stays: list[UsedCalls] = []
    kinds = {key_id: (_get_kind(key), _get_kind(after[key_id])) for key_id, key in before.items()}
    numbers = {kind: number for number, kind in enumerate(set(kinds.values()))}
    kind_of = {key_id: numbers[kind] for key_id, kind in kinds.items()}
    outcomes: dict[tuple[int, tuple[object, ...]], tuple[Outcome, Outcome]] = {}
    for every in calls:
        if every.reason and every.reason not in REVERSIBLE:
            continue
        for kind, used in every.split(kind_of):
            alike = kind, used[:6]
            if (both := outcomes.get(alike)) is None:
                call, key_id = used.build_call(), used.key_ids[0]
                both = outcomes[alike] = (
                    _get_outcome(call, before[key_id], now),
                    _get_outcome(call, after[key_id], now),
                )
            was, will = both
            if was.reason:
                if not will.reason:
                    admitted.append(ReplayedCalls(used, was, will))
            elif will.reason:
                refused.append(ReplayedCalls(used, was, will))
            else:
                stays.append(used)
    return _build_effect(refused, admitted, stays, now)


def replay_retirement(old: Iterable[UsedCalls], current: Iterable[UsedCalls], key: Key, *, now: float) -> Effect:
    """Return the effect of retiring the key's old secret now, on calls that were allowed with it and with the current
    one."""
    refused: list[ReplayedCalls] = []
    stays: list[UsedCalls] = []
    for calls, retires in ((old, True), (current, False)):
        for used in calls:
            outcome = _get_outcome(used.build_call(), key, now)
            if used.reason or outcome.reason:
                continue
            if retires:
                refused.append(ReplayedCalls(used, outcome, outcome._replace(reason="secret_retired")))
            else:
                stays.append(used)
    return _build_effect(refused, [], stays, now)


def _build_effect(
    refused: list[ReplayedCalls], admitted: list[ReplayedCalls], stays: list[UsedCalls], now: float
) -> Effect:
    remaining = {key_id for used in stays for key_id in used.key_ids}
    return Effect(
        _sort(refused),
        _sort(admitted),
        sum(sum(used.calls) for used in (*stays, *(each.used for each in refused))),
        frozenset(key_id for each in refused for key_id in each.used.key_ids) - remaining,
        _find_locked_out(refused, stays, now) if refused else (),
    )


def _get_kind(key: Key) -> tuple[object, ...]:
    """Return what decides about the key's calls. Rules are compared by identity: there may be very many."""
    return id(key.rules), *_get_deciding(key)


def _get_outcome(call: Call, key: Key, now: float) -> Outcome:
    decision = decide(call, key, now=now)
    return Outcome(decision.reason, decision.route)


def _sort(calls: Iterable[ReplayedCalls]) -> list[ReplayedCalls]:
    return sorted(calls, key=lambda each: (-sum(each.used.calls), -max(each.used.last_seen)))


def _find_locked_out(refused: Iterable[ReplayedCalls], stays: Iterable[UsedCalls], now: float) -> list[LastCall]:
    """Return the newest refused call of each key that was last used from an address that no call is allowed from any
    more, within a day; the newest first."""
    newest: dict[str, float] = {}
    open_from: dict[str, set[str]] = {}
    for used in stays:
        open_from.setdefault(used.address, set()).update(used.key_ids)
        for key_id, last_seen in zip(used.key_ids, used.last_seen, strict=True):
            if last_seen > newest.get(key_id, 0):
                newest[key_id] = last_seen
    last: dict[str, LastCall] = {}
    for each in refused:
        for key_id, last_seen in zip(each.used.key_ids, each.used.last_seen, strict=True):
            known = last.get(key_id)
            if known is None or last_seen > known.last_seen:
                last[key_id] = LastCall(last_seen, key_id, each.used.address)
    found = (
        call
        for call in last.values()
        if call.last_seen > max(newest.get(call.key_id, 0), now - DAY_SECONDS)
        and call.key_id not in open_from.get(call.address, ())
    )
    return sorted(found, reverse=True)


def build_replay_api(api: Api, routes: Iterable[Route]) -> Api:
    """Return the API for replays: calls that are known only by the text of their route match that route."""
    return replace(api, routes=ReplayTable(api.routes, {route.text: route for route in routes}))
