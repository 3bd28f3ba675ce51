"""Replay calls that were made: what the gateway decides about them with a key as it is, and as it would be. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from operator import attrgetter
from typing import NamedTuple

from keys.decision.access import Decision, authorise
from keys.decision.addresses import find_matching_rule, parse_address
from keys.decision.authentication import select_credential
from keys.decision.routes import Route
from keys.decision.types import INVALID_CREDENTIALS, Call, Key
from keys.decision.used_calls import UsedCalls, is_readable

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
# What decides about some calls only: by their address, their route, or the time.
_PARTIAL = {"rules", "list_ids", "all_modules", "module_ids", "expires_at"}
_get_state = attrgetter(*(field.name for field in fields(Key) if field.name not in _LABELS | _PARTIAL))


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


def decide(call: Call, key: Key, *, now: float) -> Decision:
    """Return the gateway's decision about a call with a key of `key.api`, provided that its secret or signature
    matches. What only the gateway knows is left out: the proxy's proof, and whether a nonce was used before."""
    if not is_readable(call, key.api):
        return Decision(call, key, now, "unreadable_request")
    presented = select_credential(call, key.api)
    if key.deleted or presented is None or presented.kind not in key.api.credentials:
        return Decision(call, key, now, INVALID_CREDENTIALS)
    return authorise(call, key, now=now)


class _Class(NamedTuple):
    """All that decides about a kind of call with a key, before the change and after it."""

    state: int
    admits: tuple[bool, bool]
    grants: tuple[bool, bool]


class _Changes:
    """The change of each key, and the outcomes of calls before and after it.

    Keys that are alike in all that decides are decided together. The entries of a key matter only in that they admit
    the call's address, its modules in that they contain the call's route. So the gateway's own functions are asked once
    for each class of keys and kind of call.
    """

    def __init__(self, before: Mapping[str, Key], after: Mapping[str, Key], now: float) -> None:
        self._now = now
        self._pairs: list[tuple[Key, Key]] = []
        self._states: list[int] = []
        self._number_of: dict[str, int] = {}
        known: dict[tuple[int, int], int] = {}
        states: dict[object, int] = {}
        for key_id, key in before.items():
            # Keys that are alike often are one object.
            number = known.setdefault((id(key), id(after[key_id])), len(self._pairs))
            if number == len(self._pairs):
                self._pairs.append((key, after[key_id]))
                state = self._get_state(key), self._get_state(after[key_id])
                self._states.append(states.setdefault(state, len(states)))
            self._number_of[key_id] = number
        # By address, and by the rest of what tells calls apart: what the keys of each number say.
        self._admits: defaultdict[str, dict[int, tuple[bool, bool]]] = defaultdict(dict)
        self._grants: defaultdict[tuple[object, ...], dict[int, tuple[bool, bool]]] = defaultdict(dict)
        self._outcomes: dict[object, tuple[Outcome, Outcome]] = {}

    def decide(self, every: UsedCalls) -> Iterator[tuple[Outcome, Outcome, UsedCalls]]:
        """Yield the calls of keys that are decided alike, with their outcomes before and after the change."""
        numbers = set(map(self._number_of.__getitem__, every.key_ids))
        classes = self._classify(numbers, every)
        example = {class_: number for number, class_ in classes.items()}
        parts: Iterable[tuple[_Class, UsedCalls]] = [(class_, every) for class_ in example]
        if len(example) > 1:
            parts = every.split({key_id: classes[self._number_of[key_id]] for key_id in every.key_ids})
        for class_, used in parts:
            alike = class_, used[1:6]
            if (both := self._outcomes.get(alike)) is None:
                call, (before, after) = used.build_call(), self._pairs[example[class_]]
                both = _get_outcome(call, before, self._now), _get_outcome(call, after, self._now)
                self._outcomes[alike] = both
            yield *both, used

    def _classify(self, numbers: Iterable[int], used: UsedCalls) -> dict[int, _Class]:
        admits, grants = self._admits[used.address], self._grants[used[2:6]]
        classes = {}
        for number in numbers:
            before, after = self._pairs[number]
            if number not in admits:
                admits[number] = _admits(before, used.address), _admits(after, used.address)
            if number not in grants:
                grants[number] = _grants(before, used), _grants(after, used)
            classes[number] = _Class(self._states[number], admits[number], grants[number])
        return classes

    def _get_state(self, key: Key) -> object:
        return _get_state(key), key.expires_at is None or self._now < key.expires_at


def _admits(key: Key, address: str) -> bool:
    """Return whether the key may be used from the address, as far as its entries and lists say."""
    parsed = parse_address(address) if address else None
    return parsed is not None and (not key.restricted or find_matching_rule(parsed, key.rules) is not None)


def _grants(key: Key, used: UsedCalls) -> bool:
    """Return whether the key has the module of the calls' route, if they have one."""
    route = None if used.whoami else key.api.routes.match(used.method, used.path, used.query)
    return route is None or key.all_modules or route.module_id in key.module_ids


def replay(calls: Iterable[UsedCalls], before: Mapping[str, Key], after: Mapping[str, Key], *, now: float) -> Effect:
    """Return the effect of a change from the keys `before` to those `after`, by API ID, on these calls.

    Calls that were refused for what was sent are left out: no setting changes that.
    """
    refused: list[ReplayedCalls] = []
    admitted: list[ReplayedCalls] = []
    stays: list[UsedCalls] = []
    changes = _Changes(before, after, now)
    for every in calls:
        if every.reason and every.reason not in REVERSIBLE:
            continue
        for was, will, used in changes.decide(every):
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
    remaining = set().union(*(used.key_ids for used in stays))
    return Effect(
        _sort(refused),
        _sort(admitted),
        sum(sum(used.calls) for used in (*stays, *(each.used for each in refused))),
        frozenset().union(*(each.used.key_ids for each in refused)) - remaining,
        _find_locked_out(refused, stays, now) if refused else (),
    )


def _get_outcome(call: Call, key: Key, now: float) -> Outcome:
    decision = decide(call, key, now=now)
    return Outcome(decision.reason, decision.route)


def _sort(calls: Iterable[ReplayedCalls]) -> list[ReplayedCalls]:
    return sorted(calls, key=lambda each: (-sum(each.used.calls), -max(each.used.last_seen)))


def _find_locked_out(refused: Iterable[ReplayedCalls], stays: Iterable[UsedCalls], now: float) -> list[LastCall]:
    """Return the newest refused call of each key that was last used from an address that no call is allowed from any
    more, within a day; the newest first."""
    newest: dict[str, float] = {}
    address_of: dict[str, str] = {}
    for each in refused:
        for key_id, last_seen in zip(each.used.key_ids, each.used.last_seen, strict=True):
            if last_seen > newest.get(key_id, now - DAY_SECONDS):
                newest[key_id], address_of[key_id] = last_seen, each.used.address
    for used in stays:
        # Mostly nothing is left to compare after a few.
        if newest.keys().isdisjoint(used.key_ids):
            continue
        for key_id, last_seen in zip(used.key_ids, used.last_seen, strict=True):
            if key_id in newest and (last_seen >= newest[key_id] or used.address == address_of[key_id]):
                del newest[key_id]
    return sorted((LastCall(at, key_id, address_of[key_id]) for key_id, at in newest.items()), reverse=True)
