"""The request that a key's documentation begins with is one that the key may make."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest

from keys.apis.description import get_preset, list_preset_slugs
from keys.decision.routes import Route, RouteTable
from keys.docs.documentation import describe_document
from keys.docs.page import RequestLink, build_first_call

LINK = RequestLink("https://api.example.com", "", True)


@pytest.mark.parametrize("slug", list_preset_slugs())
def test_the_first_request_is_of_the_one_module_that_was_granted(slug: str) -> None:
    described = get_preset(slug)
    table = RouteTable(
        Route(0, module.slug, route.method, route.template, conditions=tuple(sorted(route.conditions.items())))
        for module in described.modules
        for route in module.routes
    )

    for module in described.modules:
        call = build_first_call(describe_document(described.document), [module], LINK)
        parts = urlsplit(call.url)
        taken = table.match(call.method, unquote(parts.path), parts.query)
        assert (call.url.startswith(LINK.host), taken and taken.module) == (True, module.slug), call
