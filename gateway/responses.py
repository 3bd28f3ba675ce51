"""Answers to proxies. verify says 200, 401 or 403 and nothing else: the one set that all proxies agree on."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

from keys.access import STATUS, Api, Decision, Key

Send = Callable[[dict[str, Any]], Awaitable[None]]
HeaderList = list[tuple[bytes, bytes]]

_NO_STORE = (b"cache-control", b"no-store")
# Everything printable except `%`, so that the upstream can decode without doubt.
_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


class Response(NamedTuple):
    status: int
    headers: HeaderList
    body: bytes = b""

    async def send(self, send: Send) -> None:
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def header_text(value: str) -> bytes:
    """A header's value: UTF-8, percent-encoded outside printable ASCII."""
    return quote(value, safe=_SAFE).encode("ascii")


def answer(decision: Decision, api: Api | None) -> Response:
    return _allowed(decision) if decision.allowed else refused(decision, api)


def _allowed(decision: Decision) -> Response:
    key, route = decision.key, decision.route
    assert key is not None
    return Response(
        200,
        [
            *_identity(key),
            (b"x-module", route.module.encode() if route else b""),
            (b"x-hlr-lookup", b"true" if decision.hlr else b"false"),
            (b"x-request-id", decision.call.request_id.encode()),
        ],
    )


@lru_cache(maxsize=8192)
def _identity(key: Key) -> tuple[tuple[bytes, bytes], ...]:
    """The headers that are the same for every call of a key: always all of them, so that a client's own never survive
    (Caddy GHSA-7r4p-vjf4-gxv4)."""
    granted = (slug for module, slug in key.api.modules if key.all_modules or module in key.module_ids)
    return (
        _NO_STORE,
        (b"x-key-id", key.public_id.encode()),
        (b"x-key-name", header_text(key.name)),
        (b"x-account", header_text(key.account)),
        (b"x-owner", header_text(key.owner)),
        (b"x-modules", ",".join(granted).encode()),
        (b"x-mask-phone-number", b"true" if key.mask else b"false"),
        (b"x-phone-mask", key.phone_mask.encode()),
        (b"x-body-sha256", b""),
    )


def refused(decision: Decision, api: Api | None) -> Response:
    headers = _refusal_headers(decision.reason, api)
    headers.append((b"x-request-id", decision.call.request_id.encode()))
    if decision.reason == "ip_not_allowed":
        headers.append((b"x-client-address", str(decision.call.client_address).encode()))
    return Response(STATUS.get(decision.reason, 403), headers, problem(decision.reason))


def refusal(code: str) -> Response:
    """A refusal that belongs to no call that is logged: the proxy's proof is missing, or the API is unknown."""
    return Response(403, _refusal_headers(code, None), problem(code))


def problem(code: str) -> bytes:
    """RFC 9457. The code is all there is to say: a client without a matching secret must not learn more."""
    return json.dumps({"code": code}, separators=(",", ":")).encode()


def _refusal_headers(code: str, api: Api | None) -> HeaderList:
    headers = [_NO_STORE, (b"content-type", b"application/problem+json"), (b"x-refusal", code.encode())]
    if STATUS.get(code) == 401:
        basic = api is not None and "basic" in api.credentials
        headers.append((b"www-authenticate", b'Basic realm="API", charset="UTF-8"' if basic else b"Bearer"))
    return headers


def document(status: int, content: dict[str, Any]) -> Response:
    return Response(status, [_NO_STORE, (b"content-type", b"application/json")], json.dumps(content).encode())
