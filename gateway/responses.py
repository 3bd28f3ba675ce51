"""Answers to proxies. verify says 200, 401 or 403 and nothing else: the one set that all proxies agree on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from gateway.http.messages import Response, line
from keys.decision.access import PREFLIGHT, STATUS, Api, Call, Decision, Key

_NO_STORE = line(b"cache-control", b"no-store")
_NO_BODY = line(b"x-body-sha256", b"")
_PREFLIGHT = line(b"x-preflight", b"true")
_HLR = {True: line(b"x-hlr-lookup", b"true"), False: line(b"x-hlr-lookup", b"false")}
# Everything printable except `%`, so that the upstream can decode without doubt.
_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def header_text(value: str) -> bytes:
    """A header's value: UTF-8, percent-encoded outside printable ASCII."""
    return quote(value, safe=_SAFE).encode("ascii")


def answer(decision: Decision, api: Api | None) -> Response:
    return _allowed(decision) if decision.allowed else refused(decision, api)


def _allowed(decision: Decision) -> Response:
    key, route, call = decision.key, decision.route, decision.call
    if key is None:
        return _preflight(decision)
    if call.whoami:
        return _whoami(key, call)
    signed = call.presented.proof if call.presented is not None else None
    body = _NO_BODY if signed is None else line(b"x-body-sha256", signed.body_sha256.encode())
    module = _module(route.module if route else "")
    request_id = call.request_id.encode()
    return Response(
        200, b"%b%b%b%bx-request-id: %b\r\n" % (_identity(key), module, body, _HLR[decision.hlr], request_id)
    )


def _preflight(decision: Decision) -> Response:
    """Let a call without a key through: nobody is named, so the proxy needs another word that the gateway said yes."""
    assert decision.reason == PREFLIGHT
    module = _module(decision.route.module if decision.route else "")
    request_id = line(b"x-request-id", decision.call.request_id.encode())
    return Response(200, _ANONYMOUS + module + _NO_BODY + _HLR[False] + _PREFLIGHT + request_id)


def _whoami(key: Key, call: Call) -> Response:
    """What the key's own holder may know of it."""
    expires = None if key.expires_at is None else datetime.fromtimestamp(key.expires_at, UTC)
    answer = document(
        200,
        {
            "key_id": key.public_id,
            "key_name": key.name,
            "account": key.account,
            "owner": key.owner,
            "api": key.api.slug,
            "modules": key.granted,
            "expires": expires and expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "client_address": str(call.client_address),
        },
    )
    return answer._replace(head=answer.head + line(b"x-request-id", call.request_id.encode()))


@lru_cache(maxsize=8192)
def _identity(key: Key) -> bytes:
    """The headers that are the same for every call of a key: always all of them, so that a client's own never survive
    (Caddy GHSA-7r4p-vjf4-gxv4)."""
    lines = (
        line(b"x-key-id", key.public_id.encode()),
        line(b"x-key-name", header_text(key.name)),
        line(b"x-account", header_text(key.account)),
        line(b"x-owner", header_text(key.owner)),
        line(b"x-modules", ",".join(key.granted).encode()),
        line(b"x-mask-phone-number", b"true" if key.mask else b"false"),
        line(b"x-phone-mask", key.phone_mask.encode()),
    )
    return _NO_STORE + b"".join(lines)


_ANONYMOUS = (
    _NO_STORE
    + b"".join(
        line(name, b"")
        for name in (b"x-key-id", b"x-key-name", b"x-account", b"x-owner", b"x-modules", b"x-mask-phone-number")
    )
    + line(b"x-phone-mask", b"")
)


@lru_cache(maxsize=8192)
def _module(slug: str) -> bytes:
    return line(b"x-module", slug.encode())


def refused(decision: Decision, api: Api | None) -> Response:
    head = _refusal_head(decision.reason, api) + line(b"x-request-id", decision.call.request_id.encode())
    if decision.reason == "ip_not_allowed":
        head += line(b"x-client-address", str(decision.call.client_address).encode())
    return Response(STATUS.get(decision.reason, 403), head, problem(decision.reason))


def refusal(code: str) -> Response:
    """A refusal that belongs to no call that is logged: the proxy's proof is missing, or the API is unknown."""
    return Response(403, _refusal_head(code, None), problem(code))


def problem(code: str) -> bytes:
    """RFC 9457. The code is all there is to say: a client without a matching secret must not learn more."""
    return json.dumps({"code": code}, separators=(",", ":")).encode()


def _refusal_head(code: str, api: Api | None) -> bytes:
    head = _NO_STORE + line(b"content-type", b"application/problem+json") + line(b"x-refusal", code.encode())
    if STATUS.get(code) == 401:
        basic = api is not None and "basic" in api.credentials
        head += line(b"www-authenticate", b'Basic realm="API", charset="UTF-8"' if basic else b"Bearer")
    return head


def document(status: int, content: dict[str, Any]) -> Response:
    return Response(status, _NO_STORE + line(b"content-type", b"application/json"), json.dumps(content).encode())
