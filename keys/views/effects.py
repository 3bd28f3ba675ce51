"""Show what a change does to the calls of the last 30 days before it is saved, and ask about what it would refuse."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from heapq import nlargest
from ipaddress import ip_network
from typing import NamedTuple
from urllib.parse import urlencode

from django.http import QueryDict
from django.urls import reverse

from audit.calls.reasons import REFUSED
from core.templatetags.ui import breakable, when
from keys.decision.addresses import Network
from keys.decision.replay import ReplayedCalls
from keys.decision.used_calls import UsedCalls
from keys.selectors.replay import Replay

MAX_ROWS = 10
# Only what an address or a module is missing for can be added.
CURABLE = {"ip_not_allowed", "module_not_granted"}


@dataclass(frozen=True, slots=True)
class EffectRow:
    """Calls with a key from one address on one route that change alike. `heading` says why they would be, or were,
    refused; `url` leads to the rows of `log`, a page of the log."""

    key_id: str
    key_name: str
    address: str
    route: str
    module: str
    calls: int
    last_seen: datetime
    heading: str
    log: str

    @property
    def url(self) -> str:
        filters = {"range": "30d", "key_id": self.key_id, "address": self.address}
        filters |= {"module": self.module} if self.module else {}
        return f"{self.log}?{urlencode(filters)}"

    @property
    def cell_values(self) -> dict[str, str | bool]:
        """The flags and texts of templates/keys/_effect_row.html."""
        return {
            "url": self.url,
            "address": self.address,
            "key_name": self.key_name,
            "has_route": bool(self.route),
            "route": breakable(self.route),
            "module": f" {self.module}" if self.module else "",
            "heading": self.heading,
            "calls": f"{self.calls:,}",
            "last_seen": when(self.last_seen),
        }


class EffectRows(NamedTuple):
    """The first rows, of how many."""

    first: list[EffectRow]
    total: int

    def __bool__(self) -> bool:
        return bool(self.total)


@dataclass(frozen=True)
class ChangeEffect:
    """What a change does, and what the user said to it. `token` stands for the change: an answer holds for no other."""

    replay: Replay
    token: str
    params: QueryDict
    # How many entries for addresses there is room for.
    room: int = 0
    # What it does later, a sentence.
    later: str = ""
    # The page of the log that rows link to; empty for the account's own.
    log: str = ""

    @property
    def is_severe(self) -> bool:
        return self.replay.effect.is_severe

    @property
    def is_accepted(self) -> bool:
        """Whether the user accepted exactly this change."""
        return self.params.get("accepts") == self.token

    @property
    def needs_answer(self) -> bool:
        return bool(self.replay.effect.refused) and not self.is_accepted

    @property
    def adds(self) -> bool:
        """Whether the user chose to add what is missing."""
        return self.can_be_added and self.params.get("add") == self.token

    @cached_property
    def can_be_added(self) -> bool:
        """Whether entries and modules can be added so that no call is refused."""
        refused = self.replay.effect.refused
        return bool(refused) and {each.after.reason for each in refused} <= CURABLE and len(self.networks) <= self.room

    @cached_property
    def networks(self) -> list[Network]:
        """The addresses that would be refused, the most used first."""
        refused = [each for each in self.replay.effect.refused if each.after.reason == "ip_not_allowed"]
        return [ip_network(text) for text in dict.fromkeys(each.used.address for each in refused)]

    @cached_property
    def modules(self) -> list[str]:
        """The slugs of modules that would be refused."""
        refused = [each for each in self.replay.effect.refused if each.after.reason == "module_not_granted"]
        return list(dict.fromkeys(each.before.route.module for each in refused if each.before.route))

    @cached_property
    def refused(self) -> EffectRows:
        return build_rows(self.replay.effect.refused, self.replay.names, admitted=False, log=self.log)

    @cached_property
    def admitted(self) -> EffectRows:
        return build_rows(self.replay.effect.admitted, self.replay.names, admitted=True, log=self.log)

    @property
    def tables(self) -> list[tuple[str, Sequence[EffectRow], int]]:
        """Return (heading, first rows, number of the others) of what would be refused and allowed."""
        both = (("Would be refused", self.refused), ("Would be allowed", self.admitted))
        return [(heading, rows.first, rows.total - len(rows.first)) for heading, rows in both if rows]

    @property
    def has_several_keys(self) -> bool:
        return len(self.replay.names) > 1

    @property
    def sentences(self) -> list[str]:
        return list_sentences(self.replay)

    @property
    def warnings(self) -> list[str]:
        return list_warnings(self.replay)


def build_selection_token(action: str, selected: Iterable[int]) -> str:
    """Return what stands for an action on these rows, by primary key."""
    return hashlib.sha256(repr((action, sorted(selected))).encode()).hexdigest()


def list_sentences(replay: Replay) -> list[str]:
    """Return what the change would have done to the calls of the last 30 days, a sentence each."""
    effect, sentences = replay.effect, []
    total = effect.allowed
    if effect.refused:
        sentences.append(
            f"Would have refused {effect.refused_count:,} of {_count(total, 'call', 'calls')}, "
            f"{_describe_places(effect.refused)}."
        )
    if effect.admitted:
        refused_before = "call that was" if effect.admitted_count == 1 else "calls that were"
        sentences.append(
            f"Would have allowed {effect.admitted_count:,} {refused_before} refused, "
            f"{_describe_places(effect.admitted)}."
        )
    if not sentences:
        sentences.append(f"No effect on {_count(total, 'call', 'calls')}." if total else "No calls were made.")
    if replay.left_out:
        replayed = len(replay.names)
        checked = "key that was used last was" if replayed == 1 else f"{replayed:,} keys that were used last were"
        sentences.append(f"Only the {checked} checked, of {replayed + replay.left_out:,}.")
    return sentences


def list_warnings(replay: Replay) -> list[str]:
    """Return why the change must be confirmed, a sentence each."""
    effect, warnings = replay.effect, []
    if effect.stopped:
        names = sorted(replay.names[public_id] for public_id in effect.stopped)
        more = f" and {len(names) - MAX_ROWS:,} more" if len(names) > MAX_ROWS else ""
        warnings.append(f"Every call that is allowed now would be refused: {', '.join(names[:MAX_ROWS])}{more}.")
    for last_seen, key_id, address in effect.locked_out[:MAX_ROWS]:
        at, name = datetime.fromtimestamp(last_seen, UTC), replay.names[key_id]
        warnings.append(f"{address}, which used {name} last ({at:%Y-%m-%d %H:%M} UTC), would be locked out.")
    return warnings


def _describe_places(calls: Sequence[ReplayedCalls]) -> str:
    """Return with how many keys, from how many addresses and on how many modules the calls were made."""
    keys = {key_id for each in calls for key_id in each.used.key_ids}
    addresses = {each.used.address for each in calls}
    modules = {each.module for each in calls if each.module}
    parts = [f"from {_count(len(addresses), 'address', 'addresses')}"]
    parts += [f"on {_count(len(modules), 'module', 'modules')}"] if modules else []
    parts += [f"with {len(keys):,} keys"] if len(keys) > 1 else []
    return ", ".join(parts)


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def build_rows(
    calls: Iterable[ReplayedCalls], names: Mapping[str, str], *, admitted: bool, log: str = ""
) -> EffectRows:
    """Return the calls with a key from one address on one route together, the most first. Rows link to `log`, by
    default the account's own page."""
    groups: dict[tuple[str, str, str, str], list[UsedCalls]] = {}
    for each in calls:
        reason = each.before.reason if admitted else each.after.reason
        kind = (each.used.address, each.route.text if each.route else "", each.module, reason)
        groups.setdefault(kind, []).append(each.used)
    total, log = 0, log or reverse("log-list")
    top_rows: list[tuple[int, float, str, tuple[str, str, str, str]]] = []
    for kind, several in groups.items():
        numbers = _sum_by_key(several)
        total += len(numbers)
        top_rows += nlargest(MAX_ROWS, ((calls, last, key_id, kind) for key_id, (calls, last) in numbers.items()))
    first = [
        EffectRow(
            key_id,
            names[key_id],
            address,
            route,
            module,
            number,
            datetime.fromtimestamp(last_seen, UTC),
            REFUSED[reason][0] if reason in REFUSED else reason,
            log,
        )
        for number, last_seen, key_id, (address, route, module, reason) in nlargest(MAX_ROWS, top_rows)
    ]
    return EffectRows(first, total)


def _sum_by_key(several: Sequence[UsedCalls]) -> dict[str, tuple[int, float]]:
    """Return the number of calls with each key and the time of the last one."""
    numbers: dict[str, tuple[int, float]] = {}
    for used in several:
        for key_id, number, last_seen in zip(used.key_ids, used.calls, used.last_seen, strict=True):
            known = numbers.get(key_id)
            numbers[key_id] = (number, last_seen) if known is None else (known[0] + number, max(known[1], last_seen))
    return numbers
