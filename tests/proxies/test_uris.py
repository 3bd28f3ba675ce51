"""Hostile request targets through real proxies: the path that was judged is the path that the API serves, or there is
no answer of the API at all."""

from __future__ import annotations

import json
from urllib.parse import unquote_to_bytes

import pytest

from gateway.dialects import format_for_log
from keys.models import Api
from tests.proxies import http2
from tests.proxies.client import ask
from tests.proxies.rows import row, row_of

PIECES = [
    *("..", ".", "...", "%2e%2e", "%2E", ".%2e", "%2f", "%2F..%2f", "%5c", "\\", "//", "/./", "/../"),
    *("%00", "%0a", "%0d%0aX-Key-Id:%20x", "%25", "%252e%252e", "%c0%ae%c0%ae", "%ff", "\xff", "\xc3\xa9", "%C3%A9"),
    *(";x=1", "%3b", "#x", "%23x", "?x", "%3fx", "%20", "+", "~", "%7e", "@", ":80", "*", "%", "%zz", "%u002e", "\x01"),
]
PLACES = ["/{}", "/{}/customers", "/customers{}", "/customers/{}/balance"]
WHOLE = [
    *("//", "//customers", "///customers", "customers", "*", "?x", "#", "", "/", "\\customers"),
    *("http://other.example.com/customers", "http://other.example.com", "http://other.example.com?x=/customers"),
    *("http://user@other.example.com:80/customers/../invoices", "https://other.example.com//customers"),
    *(
        "/customers HTTP/1.1 x",
        "/customers\t",
        "/customers?a=b#c",
        "/customers?%00",
        "/customers?\xff",
        *("/customers?a=1;b=2", "/customers?a=%zz", "/customers?&&a", "/customers?a[]=1&a=2", "/customers?a=/../x"),
        "/" + "a" * 9000,
    ),
]
TARGETS = [place.format(piece) for piece in PIECES for place in PLACES] + WHOLE


@pytest.mark.quality(3)
def test_the_path_that_was_judged_is_the_path_that_was_served(proxy, world, figure):
    # An API that lets every readable path through, so that as many as can be are served.
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | {"unlisted_routes": "allow"})
    _, token = world.key()
    served = 0
    for target in TARGETS:
        answer = ask(proxy.port, target, token=token)
        if not answer.reached_upstream:
            assert answer.status in (400, 403, 404, 414, 503), target
            continue
        served += 1
        judged = row(answer)
        path = unquote_to_bytes(answer.served["path"].encode("latin-1")).decode("utf-8")
        assert (path, judged["decision"]) == (judged["path"], "allowed"), target
        assert format_for_log(answer.served["query"]) == judged["query"], target
        assert "\0" not in path, target
        assert not {".", ".."} & set(path.split("/")), target
    assert len(TARGETS) >= 120
    assert served >= 20
    figure(f"{proxy.kind}: {len(TARGETS)} hostile targets, {served} served as judged, the others refused")


@pytest.mark.quality(3)
@pytest.mark.parametrize(
    "target",
    [
        *("/customers/../invoices", "/customers/%2e%2e/invoices", "/customers/..%2finvoices", "//invoices"),
        *("/customers%2f..%2finvoices", "/%69nvoices/", "/invoices;/../customers", "/customers/..;/invoices"),
        *("/%2569nvoices", "/customers?/../../invoices", "/customers#/../invoices", "/INVOICES", "/invoices/"),
    ],
)
def test_no_spelling_reaches_a_module_that_was_not_granted(proxy, world, target):
    _, token = world.key(modules=("customers",))
    answer = ask(proxy.port, target, token=token)
    assert not answer.reached_upstream or answer.served["path"] == "/customers"


def test_an_encoded_spelling_is_judged_as_what_it_means(proxy, world):
    _, token = world.key(modules=("customers",))
    answer = ask(proxy.port, "/%69nvoices", token=token)
    assert (answer.status, answer.header("X-Refusal")) == (403, "module_not_granted")
    assert row(answer)["path"] == "/invoices"


@pytest.mark.quality(3)
def test_over_http_2_too_the_path_that_was_judged_is_the_path_that_was_served(proxy, world, full, figure):
    """Those that speak it without TLS; there the path is a field of its own, which need not begin with a slash."""
    if proxy.kind in ("nginx", "caddy"):
        assert b'"received"' not in http2.body(proxy.port, "/customers")
        return
    Api.objects.filter(pk=world.api.pk).update(policy=world.api.policy | {"unlisted_routes": "allow"})
    _, token = world.key()
    served = 0
    targets = ["2/customers", "/../customers", "/\xff", *(target for target in TARGETS if len(target) < 5000)]
    # Envoy takes its time over each connection that it ends.
    targets = targets if full else targets[:3] + targets[3::3]
    for target in targets:
        answer = http2.body(proxy.port, target, ("authorization", f"Bearer {token}"))
        if b'"received"' not in answer:
            continue
        served += 1
        received = json.loads(answer)["received"]
        judged = row_of(received["identity"]["X-Request-Id"])
        path = unquote_to_bytes(received["path"].encode("latin-1")).decode("utf-8")
        assert (path, judged["decision"]) == (judged["path"], "allowed"), target
        assert format_for_log(received["query"]) == judged["query"], target
    assert served >= 15
    figure(f"{proxy.kind} over HTTP/2: {len(targets)} hostile targets, {served} served as judged, the others refused")
