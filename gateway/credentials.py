"""What a client presents, as one of the kinds of the log's `credential` column."""

from __future__ import annotations

from collections.abc import Sequence

from keys.access import Presented
from keys.secrets import parse

_SCHEMES = {"bearer": "bearer", "token": "token"}


def presented(headers: Sequence[tuple[bytes, str]]) -> Presented | None:
    """The one well-formed credential; None for none, more than one, malformed, or a wrong checksum."""
    if len(headers) != 1:
        return None
    name, value = headers[0]
    if name == b"x-api-key":
        return _token("api_key", value)
    scheme, space, rest = value.partition(" ")
    if not space:
        return _token("raw", value)
    kind = _SCHEMES.get(scheme.lower())
    return _token(kind, rest.lstrip(" ")) if kind else None


def _token(kind: str, token: str) -> Presented | None:
    public_id = parse(token)
    return None if public_id is None else Presented(kind, public_id, token)
