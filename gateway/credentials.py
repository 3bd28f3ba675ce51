"""Parsing of the credential that a client presents into one of the kinds of the log's `credential` column."""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from keys.crypto.secrets import ID_LENGTH, parse_token
from keys.crypto.signatures import (
    MAX_LINK_LIFETIME_SECONDS,
    WINDOW_SECONDS,
    UnreadableQuery,
    build_lead_to_sign,
    build_string_to_sign,
)
from keys.decision.access import PresentedCredential, Proof

_SCHEMES = {"bearer": "bearer", "token": "token", "basic": "basic"}
TOKEN_HEADERS = frozenset({b"authorization", b"x-api-key"})
SIGNATURE_HEADERS = (b"x-api-id", b"x-timestamp", b"x-nonce", b"x-body-sha256", b"x-signature")
# Either of these marks a signature; the other three headers have other uses too.
_SIGNATURE_MARKERS = frozenset({b"x-api-id", b"x-signature"})
CREDENTIAL_HEADERS = TOKEN_HEADERS | frozenset(SIGNATURE_HEADERS)

_PUBLIC_ID = re.compile(rf"[A-Za-z0-9]{{{ID_LENGTH}}}")
# Unix seconds of the years 1973 to 5138, so that there is one way to write each.
_SECONDS = re.compile(r"[1-9][0-9]{8,10}")
_NONCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LEAD_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LINK_PARAMETERS = ("apiId", "expires", "leadIdKey")

Headers = Sequence[tuple[bytes, str]]


def parse_credential(headers: Headers, *, method: str, path: str, query: str) -> PresentedCredential | None:
    """Return the one well-formed credential in the headers (those of CREDENTIAL_HEADERS).

    Return None if there is none, more than one, a malformed one, or one with a wrong checksum. The method, the path
    (decoded once) and the query (as sent) are what a signature covers.
    """
    if len(headers) != 1:
        names = [name for name, _ in headers]
        if not _SIGNATURE_MARKERS.isdisjoint(names):
            return _parse_signature(headers, method, path, query)
        headers = [(name, value) for name, value in headers if name in TOKEN_HEADERS]
        if len(headers) != 1:
            return None
    name, value = headers[0]
    if name == b"x-api-key":
        return _parse_token("api_key", value)
    if name != b"authorization":
        return None
    scheme, space, rest = value.partition(" ")
    if not space:
        return _parse_token("raw", value)
    kind, rest = _SCHEMES.get(scheme.lower()), rest.lstrip(" ")
    if kind == "basic":
        return _parse_basic(rest)
    return _parse_token(kind, rest) if kind else None


def has_credential(headers: Headers) -> bool:
    return any(name in TOKEN_HEADERS or name in _SIGNATURE_MARKERS for name, _ in headers)


def parse_recording_link(path: str, query: str) -> PresentedCredential | None:
    """Return the credential of a recording link; None unless each of its parameters is there once and well-formed. The
    lead ID is the last segment of the path."""
    values: dict[str, str] = {}
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        # These values need no encoding: an encoded or bracketed name is another parameter.
        if name in _LINK_PARAMETERS:
            if name in values:
                return None
            values[name] = value
    lead_id = path.rpartition("/")[2]
    if len(values) != len(_LINK_PARAMETERS) or not _LEAD_ID.fullmatch(lead_id):
        return None
    public_id, expires, signature = (values[name] for name in _LINK_PARAMETERS)
    if not (_PUBLIC_ID.fullmatch(public_id) and _SECONDS.fullmatch(expires) and _SHA256.fullmatch(signature)):
        return None
    until = int(expires)
    proof = Proof(build_lead_to_sign(lead_id, expires), signature, until - MAX_LINK_LIFETIME_SECONDS, until)
    return PresentedCredential("recording", public_id, "", proof=proof)


def _parse_token(kind: str, token: str, username: str = "") -> PresentedCredential | None:
    public_id = parse_token(token)
    return None if public_id is None else PresentedCredential(kind, public_id, token, username)


def _parse_basic(encoded: str) -> PresentedCredential | None:
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        return None
    return _parse_token("basic", password, username) if colon else None


def _parse_signature(headers: Headers, method: str, path: str, query: str) -> PresentedCredential | None:
    values = dict(headers)
    if len(headers) != len(SIGNATURE_HEADERS) or values.keys() != set(SIGNATURE_HEADERS):
        return None
    public_id, timestamp, nonce, body_sha256, signature = (values[name] for name in SIGNATURE_HEADERS)
    if not (
        _PUBLIC_ID.fullmatch(public_id)
        and _SECONDS.fullmatch(timestamp)
        and _NONCE.fullmatch(nonce)
        and _SHA256.fullmatch(body_sha256)
        and _SHA256.fullmatch(signature)
    ):
        return None
    try:
        text = build_string_to_sign(
            method=method, path=path, query=query, timestamp=timestamp, nonce=nonce, body_sha256=body_sha256
        )
    except UnreadableQuery:
        return None
    at = int(timestamp)
    proof = Proof(text, signature, at - WINDOW_SECONDS, at + WINDOW_SECONDS, nonce, body_sha256)
    return PresentedCredential("signature", public_id, "", proof=proof)
