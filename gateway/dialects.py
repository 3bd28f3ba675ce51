"""Reads what a proxy says about the original call into a Call that can be decided and logged.

nginx and HAProxy send `X-Original-Method` and `X-Original-URI`, Caddy and Traefik `X-Forwarded-Method` and
`X-Forwarded-Uri`; Envoy sends the call's own method and path. A request is refused if it holds one of these headers
twice, or a name that a careless server could confuse with one of them (`_` or `.` for `-`), because both are attacks
(Caddy GHSA-f59h-q822-g45g, Traefik CVE-2026-39858, Django CVE-2026-3902).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from core.redaction import redact
from core.request_id import generate_request_id
from gateway import credentials
from gateway.limits import MAX_URI_LENGTH
from keys.decision.access import Call, PresentedCredential
from keys.decision.addresses import Network, get_client_address
from keys.decision.routes import UnreadablePath, parse_encoded_slashes, parse_path

Headers = Iterable[tuple[bytes, bytes]]

SECRET_HEADER = b"x-gateway-secret"
CREDENTIAL_HEADERS = credentials.CREDENTIAL_HEADERS
ORIGINAL_CALL_HEADERS = frozenset(
    {
        *(b"x-forwarded-method", b"x-forwarded-uri", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-for"),
        *(b"x-original-method", b"x-original-uri", b"x-original-host"),
        *(SECRET_HEADER, b"user-agent"),
    }
)
_KNOWN_HEADERS = ORIGINAL_CALL_HEADERS | CREDENTIAL_HEADERS
# Headers in which other proxies describe the call. Envoy does not send them, so in its requests they are the client's.
_OTHER_DIALECTS = ORIGINAL_CALL_HEADERS - {b"x-forwarded-for", b"user-agent", SECRET_HEADER}
_METHOD_AND_URI = frozenset({b"x-forwarded-method", b"x-forwarded-uri", b"x-original-method", b"x-original-uri"})
_ALIASES = re.compile(rb"[_.]")
_METHOD = re.compile(r"[A-Z][A-Z-]{0,19}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_PREFLIGHT = frozenset({b"origin", b"access-control-request-method"})
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]{0,30}://[!-.0-~]{1,255}")
_MAY_HIDE_SECRETS = re.compile(r"[=_%]")


class ProxyHeaders(NamedTuple):
    """The known headers by name, decoded as latin-1; all credential headers; whether a header was repeated or
    disguised."""

    headers: dict[bytes, str]
    presented: list[tuple[bytes, str]]
    suspicious: bool
    all_headers: Headers = ()


def parse_headers(headers: Headers) -> ProxyHeaders:
    """Return the headers that matter. Names must be in lower case."""
    known: dict[bytes, str] = {}
    presented: list[tuple[bytes, str]] = []
    suspicious = False
    for name, value in headers:
        if name in ORIGINAL_CALL_HEADERS:
            suspicious = suspicious or name in known
            known[name] = value.decode("latin-1")
        elif name in CREDENTIAL_HEADERS:
            presented.append((name, value.decode("latin-1")))
        elif (b"_" in name or b"." in name) and _ALIASES.sub(b"-", name) in _KNOWN_HEADERS:
            suspicious = True
    return ProxyHeaders(known, presented, suspicious, headers)


def translate_envoy_headers(method: str, target: bytes, headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers of an Envoy request as nginx would send them. `target` is the original path and query,
    undecoded."""
    translated = [(b"x-original-method", method.encode()), (b"x-original-uri", target)]
    for name, value in headers:
        if name == b"host":
            translated.append((b"x-original-host", value))
        elif _ALIASES.sub(b"-", name) not in _OTHER_DIALECTS:
            translated.append((name, value))
    return translated


def translate_whoami_headers(
    method: str, target: bytes, headers: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a who-am-I request, which is itself the original call unless the proxy names another
    one."""
    if any(name in _METHOD_AND_URI for name, _ in headers):
        return headers
    return [*headers, (b"x-original-method", method.encode()), (b"x-original-uri", target)]


def parse_original_call(
    headers_of_proxy: ProxyHeaders, *, proxy: str, trusted: Sequence[Network], whoami: bool = False
) -> tuple[Call, bool]:
    """Return the original call, and whether it is readable. One that is not is returned too, for the log."""
    headers = headers_of_proxy.headers
    method, agree_on_method = _pick_value(headers, b"x-forwarded-method", b"x-original-method")
    uri, agree_on_uri = _pick_value(headers, b"x-forwarded-uri", b"x-original-uri")
    raw_path, _, query = uri.partition("?")
    address = get_client_address(None, headers.get(b"x-forwarded-for"), trusted)
    method_readable = _METHOD.fullmatch(method) is not None
    readable = (
        not headers_of_proxy.suspicious
        and agree_on_method
        and agree_on_uri
        and address is not None
        and len(uri) <= MAX_URI_LENGTH
        and method_readable
        and "#" not in query
    )
    slashed = None
    try:
        path = parse_path(raw_path) if readable else format_for_log(raw_path)
    except UnreadablePath:
        slashed, readable = parse_encoded_slashes(raw_path), False
        path = format_for_log(raw_path) if slashed is None else slashed
    presented = credentials.parse_credential(headers_of_proxy.presented, method=method, path=path, query=query)
    link = _parse_link(headers_of_proxy, path, query) if presented is None and "leadIdKey=" in query else None
    call = Call(
        generate_request_id(),
        proxy,
        method if method_readable else format_for_log(method, 20),
        format_for_log(headers.get(b"x-forwarded-host") or headers.get(b"x-original-host") or "", 255),
        path,
        format_for_log(query),
        format_for_log(headers.get(b"user-agent", ""), 500),
        address,
        presented,
        link,
        query,
        whoami,
        _parse_preflight(headers_of_proxy, query) if method == "OPTIONS" else "",
        slashed is not None,
    )
    return call, readable


def _parse_link(headers_of_proxy: ProxyHeaders, path: str, query: str) -> PresentedCredential | None:
    """Return the recording link, unless the call has a credential in its headers, however malformed."""
    if credentials.has_credential(headers_of_proxy.presented):
        return None
    return credentials.parse_recording_link(path, query)


def _parse_preflight(headers_of_proxy: ProxyHeaders, query: str) -> str:
    """Return the method that a CORS preflight asks about; empty if the call is none, or brings credentials.

    As browsers send it (Fetch, 4.8): Origin and Access-Control-Request-Method, each once, and nothing that could prove
    a key.
    """
    pairs = [(name, value.decode("latin-1")) for name, value in headers_of_proxy.all_headers if name in _PREFLIGHT]
    values = dict(pairs)
    method = values.get(b"access-control-request-method", "")
    is_preflight = (
        not headers_of_proxy.presented
        and "leadIdKey" not in query
        and len(pairs) == len(values)
        and _ORIGIN.fullmatch(values.get(b"origin", ""))
        and _METHOD.fullmatch(method)
    )
    return method if is_preflight else ""


def _pick_value(headers: dict[bytes, str], one: bytes, other: bytes) -> tuple[str, bool]:
    """Return the value of either header, and whether there is one and both, if given, agree."""
    first, second = headers.get(one), headers.get(other)
    value = first if first is not None else second
    return value or "", bool(value) and (first is None or second is None or first == second)


def format_for_log(text: str, max_length: int = MAX_URI_LENGTH) -> str:
    """Return outside text for the log: storable, redacted, and only then truncated to `max_length` characters."""
    if not (text.isascii() and text.isprintable()):
        text = escape_control_characters(text)
    if _MAY_HIDE_SECRETS.search(text):
        text = redact(text)
    return text[:max_length]


def escape_control_characters(text: str) -> str:
    """Return latin-1 text of outside bytes as UTF-8 text, with control characters escaped as %XX."""
    if not text.isascii():
        text = text.encode("latin-1", "replace").decode("utf-8", "replace")
    if not text.isprintable():
        text = _UNPRINTABLE.sub(lambda match: quote(match[0], safe="", errors="replace"), text)
    return text
