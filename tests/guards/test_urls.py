"""Every page says who may open it: the table of permissions cannot have a hole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, path

from core.page_guard import needs, public
from core.permissions import Permission

View = Callable[..., Any]
# Routes whose views are not ours, and why each is guarded all the same. An entry without a route fails.
NOT_OURS: dict[str, str] = {}


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, View]]:
    for pattern in (resolver or get_resolver()).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from routes(pattern, route)


def declared(view: View) -> bool:
    return bool(getattr(view, "permissions", None)) or bool(getattr(view, "public", "").strip())


def test_every_route_declares_its_permission_or_why_it_is_public() -> None:
    found = dict(routes())
    assert found
    assert [route for route, view in found.items() if not declared(view) and route not in NOT_OURS] == []


def test_the_list_of_foreign_routes_has_no_stale_entry() -> None:
    assert set(NOT_OURS) <= set(dict(routes()))


def test_an_undeclared_route_is_noticed() -> None:
    def bare(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert not declared(path("planted/", bare).callback)
    assert declared(needs(Permission.KEYS_SEE)(bare))
    assert declared(public("a reason")(bare))
    assert not declared(public(" ")(bare))


def test_a_page_cannot_need_nothing() -> None:
    with pytest.raises(TypeError):
        needs()
