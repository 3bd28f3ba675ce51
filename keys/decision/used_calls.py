"""Calls that were made, alike but for their keys, and the routes that match them again. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from keys.decision.addresses import parse_address
from keys.decision.authentication import has_allowed_slash, has_unambiguous_route
from keys.decision.routes import Route, RouteTable
from keys.decision.types import Api, Call, PresentedCredential

T = TypeVar("T")


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
        among = set(map(kinds.__getitem__, self.key_ids))
        if len(among) == 1:
            yield among.pop(), self
            return
        parts: dict[T, list[tuple[str, int, float]]] = {kind: [] for kind in among}
        for row in zip(self.key_ids, self.calls, self.last_seen, strict=True):
            parts[kinds[row[0]]].append(row)
        for kind, rows in parts.items():
            key_ids, calls, last_seen = zip(*rows, strict=True)
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
    """The routes of an API that match calls without a method by the text of the route that they once matched, or, if
    that is gone and had no variables, by its path."""

    def __init__(self, table: RouteTable, by_text: Mapping[str, Route]) -> None:
        self._table, self._by_text = table, by_text
        self.conditional, self.recordings = table.conditional, table.recordings

    def match(self, method: str, path: str, query: str = "") -> Route | None:
        if method:
            return self._table.match(method, path, query)
        if (route := self._by_text.get(path)) or "{" in path or "?" in path:
            return route
        method, _, path = path.partition(" ")
        return self._table.match(method, path)

    def is_unambiguous(self, method: str, path: str, query: str) -> bool:
        return not method or self._table.is_unambiguous(method, path, query)

    def accepts_encoded_slash(self, method: str, path: str, query: str) -> bool:
        return not method or self._table.accepts_encoded_slash(method, path, query)


def is_readable(call: Call, api: Api) -> bool:
    """Return whether the call can be read in one way only."""
    return not (call.encoded_slash and not has_allowed_slash(call, api)) and has_unambiguous_route(call, api)


def match_route(used: UsedCalls, api: Api) -> UsedCalls:
    """Return the calls as some that are known by their route, for replays that leave the routes of their API as they
    are. Those that can be read in two ways stay as they are."""
    if not used.method or used.whoami or not is_readable(used.build_call(), api):
        return used
    route = api.routes.match(used.method, used.path, used.query)
    return used._replace(method="", path="" if route is None else route.text, query="")


def build_replay_api(api: Api, routes: Iterable[Route]) -> Api:
    """Return the API for replays: calls that are known only by the text of their route match that route."""
    return replace(api, routes=ReplayTable(api.routes, {route.text: route for route in routes}))
