"""Headers that prove something, sent twice: refused, whichever of the two a proxy would have picked."""

from __future__ import annotations

import pytest

from keys.models import Api
from tests.proxies.client import ask
from tests.proxies.program import Proxy
from tests.proxies.test_signed import signature

SIGNING = ("X-Api-Id", "X-Timestamp", "X-Nonce", "X-Body-Sha256", "X-Signature")


@pytest.mark.quality(2)
def test_a_header_that_proves_something_is_refused_when_it_comes_twice(proxy: Proxy, world, figure):
    _, token = world.key()
    sent = 0
    # The same value, another one, nothing: before and after the right one, and in another spelling.
    for name, right in (("Authorization", f"Bearer {token}"), ("X-API-Key", token)):
        # An empty second Authorization is nothing to Envoy, before any of its filters sees the call.
        for other in (right, "Bearer x", *([""] if (proxy.kind, name) != ("envoy", "Authorization") else [])):
            for pair in ((right, other), (other, right)):
                for second in (name, name.lower()):
                    answer = ask(proxy.port, headers=((name, pair[0]), (second, pair[1])))
                    assert answer.status in (400, 401), (name, pair)
                    assert not answer.reached_upstream
                    sent += 1
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | {"credentials": ["signature"]})
    world.api.refresh_from_db()
    key, token = world.key("Signs")
    for name in SIGNING:
        for first in (True, False):
            for change in (str, str.upper, lambda value: "0" * len(value), lambda value: ""):
                headers = list(signature(key.public_id, token, "GET", "/customers"))
                (at,) = (n for n, (header, _) in enumerate(headers) if header == name)
                other = (name.lower(), change(headers[at][1]))
                headers.insert(at if first else at + 1, other)
                answer = ask(proxy.port, headers=tuple(headers))
                assert answer.status in (400, 401), (name, other, first)
                assert not answer.reached_upstream
                sent += 1
    assert ask(proxy.port, headers=signature(key.public_id, token, "GET", "/customers")).status == 200
    figure(f"{proxy.kind}: {sent} calls with a doubled credential header, none let through")
