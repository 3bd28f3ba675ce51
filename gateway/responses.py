"""Responses to proxies. A verification is answered with 200, 401 or 403 only, because all proxies agree on these."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from gateway.http.messages import Response, format_header_line
from keys.decision.access import PREFLIGHT, STATUS, Api, Call, Decision, Key

_NO_STORE = format_header_line(b"cache-control", b"no-store")
_NO_BODY = format_header_line(b"x-body-sha256", b"")
_PREFLIGHT = format_header_line(b"x-preflight", b"true")
_HLR = {True: format_header_line(b"x-hlr-lookup", b"true"), False: format_header_line(b"x-hlr-lookup", b"false")}
# Printable ASCII except `%`, so that decoding is unambiguous.
_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def encode_header_value(value: str) -> bytes:
    """Return the value as UTF-8, percent-encoded outside printable ASCII."""
    return quote(value, safe=_SAFE).encode("ascii")


def build_response(decision: Decision, api: Api | None) -> Response:
    """Return the response to a decision."""
    return _build_allowed(decision) if decision.allowed else build_logged_refusal(decision, api)


def _build_allowed(decision: Decision) -> Response:
    key, route, call = decision.key, decision.route, decision.call
    if key is None:
        return _build_preflight(decision)
    if call.whoami:
        return _build_whoami(key, call)
    signed = call.presented.proof if call.presented is not None else None
    body = _NO_BODY if signed is None else format_header_line(b"x-body-sha256", signed.body_sha256.encode())
    module = _build_module_header(route.module if route else "")
    request_id = call.request_id.encode()
    return Response(
        200,
        b"%b%b%b%bx-request-id: %b\r\n" % (_build_identity_headers(key), module, body, _HLR[decision.hlr], request_id),
    )


def _build_preflight(decision: Decision) -> Response:
    """Return the response that lets a CORS preflight through. It names no key, so X-Preflight tells the proxy that it
    is allowed."""
    assert decision.reason == PREFLIGHT
    module = _build_module_header(decision.route.module if decision.route else "")
    request_id = format_header_line(b"x-request-id", decision.call.request_id.encode())
    return Response(200, _ANONYMOUS + module + _NO_BODY + _HLR[False] + _PREFLIGHT + request_id)


def _build_whoami(key: Key, call: Call) -> Response:
    """Return what the holder of the key may know about it."""
    expires = None if key.expires_at is None else datetime.fromtimestamp(key.expires_at, UTC)
    answer = build_json_response(
        200,
        {
            "key_id": key.public_id,
            "key_name": key.name,
            "account": key.account,
            "owner": key.owner,
            "api": key.api.slug,
            "modules": key.granted_slugs,
            "expires": expires and expires.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "client_address": str(call.client_address),
        },
    )
    return answer._replace(head=answer.head + format_header_line(b"x-request-id", call.request_id.encode()))


def add_last_refusal(whoami: Response, refusal: dict[str, Any] | None) -> Response:
    """Return the response to a who-am-I request with `last_refusal`; null without one."""
    return whoami._replace(body=json.dumps(json.loads(whoami.body) | {"last_refusal": refusal}).encode())


@lru_cache(maxsize=8192)
def _build_identity_headers(key: Key) -> bytes:
    """Return the headers that are the same for every call of a key. All of them are always sent, so that a client's own
    never survive (Caddy GHSA-7r4p-vjf4-gxv4)."""
    lines = (
        format_header_line(b"x-key-id", key.public_id.encode()),
        format_header_line(b"x-key-name", encode_header_value(key.name)),
        format_header_line(b"x-account", encode_header_value(key.account)),
        format_header_line(b"x-owner", encode_header_value(key.owner)),
        format_header_line(b"x-modules", ",".join(key.granted_slugs).encode()),
        format_header_line(b"x-mask-phone-number", b"true" if key.mask else b"false"),
        format_header_line(b"x-phone-mask", key.phone_mask.encode()),
    )
    return _NO_STORE + b"".join(lines)


_ANONYMOUS = (
    _NO_STORE
    + b"".join(
        format_header_line(name, b"")
        for name in (b"x-key-id", b"x-key-name", b"x-account", b"x-owner", b"x-modules", b"x-mask-phone-number")
    )
    + format_header_line(b"x-phone-mask", b"")
)


@lru_cache(maxsize=8192)
def _build_module_header(slug: str) -> bytes:
    return format_header_line(b"x-module", slug.encode())


def build_logged_refusal(decision: Decision, api: Api | None) -> Response:
    head = _build_refusal_head(decision.reason, api) + format_header_line(
        b"x-request-id", decision.call.request_id.encode()
    )
    if decision.reason == "ip_not_allowed":
        head += format_header_line(b"x-client-address", str(decision.call.client_address).encode())
    return Response(STATUS.get(decision.reason, 403), head, encode_problem(decision.reason))


def build_refusal(code: str) -> Response:
    """Return the refusal of a call that is not logged: the proxy is not authenticated, or the API is unknown."""
    return Response(403, _build_refusal_head(code, None), encode_problem(code))


def encode_problem(code: str) -> bytes:
    """Return an RFC 9457 body. It holds the code only: a client without a matching secret must not learn more."""
    return json.dumps({"code": code}, separators=(",", ":")).encode()


def _build_refusal_head(code: str, api: Api | None) -> bytes:
    head = (
        _NO_STORE
        + format_header_line(b"content-type", b"application/problem+json")
        + format_header_line(b"x-refusal", code.encode())
    )
    if STATUS.get(code) == 401:
        basic = api is not None and "basic" in api.credentials
        head += format_header_line(b"www-authenticate", b'Basic realm="API", charset="UTF-8"' if basic else b"Bearer")
    return head


def build_json_response(status: int, content: dict[str, Any]) -> Response:
    return Response(
        status, _NO_STORE + format_header_line(b"content-type", b"application/json"), json.dumps(content).encode()
    )
