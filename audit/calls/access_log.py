"""Parse lines of a proxy's access log, in the JSON format that the configurations in deploy/ write. Pure."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple
from uuid import UUID

MAX_LINE_BYTES = 64 * 1024
# What nginx, Envoy, HAProxy and Caddy log for a call that the gateway did not answer.
NO_REQUEST_ID = (None, "", "-")


class MalformedLine(ValueError):
    """A line that cannot be parsed. The message names the field, its value and what would be valid."""


class AccessLogEntry(NamedTuple):
    """What only the proxy knows about a call, after its response was sent. `duration_ms` is in milliseconds."""

    request_id: UUID
    status: int
    duration_ms: float
    bytes: int

    @property
    def requested_at(self) -> float:
        """When the gateway was asked, in Unix seconds, from the first 48 bits of the UUIDv7 (RFC 9562)."""
        return (self.request_id.int >> 80) / 1000


def parse_line(line: bytes) -> AccessLogEntry | None:
    """Return the entry, or None for a call without a row in the API log: the gateway was not reached, or did not accept
    the proxy. Raise MalformedLine."""
    if len(line) > MAX_LINE_BYTES:
        raise MalformedLine(f"it is longer than {MAX_LINE_BYTES} bytes")
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise MalformedLine("it is not JSON; deploy/ shows what the proxy's log format has to be") from None
    if not isinstance(fields, dict):
        raise MalformedLine('it is not a JSON object such as {"request_id": "...", "status": 200, ...}')
    if "request_id" in fields and fields["request_id"] in NO_REQUEST_ID:
        return None
    return AccessLogEntry(
        _parse_request_id(fields),
        int(_parse_number(fields, "status", 599, "a status such as 200")),
        _parse_number(fields, "duration_ms", 1e9, "milliseconds such as 12 or 1.5"),
        int(_parse_number(fields, "bytes", 2**62, "a number of bytes such as 1024")),
    )


def _parse_request_id(fields: dict[str, Any]) -> UUID:
    value = fields.get("request_id")
    try:
        request_id = UUID(value)
    except (ValueError, TypeError, AttributeError):
        request_id = UUID(int=0)
    if request_id.version != 7:
        raise _build_error(fields, "request_id", "the X-Request-Id of the gateway's answer")
    return request_id


def _parse_number(fields: dict[str, Any], name: str, highest: float, right: str) -> float:
    """Return the field's number, which may be quoted, as at least 0. Proxies log -1 or 0 for what did not happen, for
    example after the client hung up. Raise MalformedLine above `highest`; `right` says what is valid."""
    value = fields.get(name)
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not -1 <= number <= highest:
        raise _build_error(fields, name, right)
    return max(number, 0.0)


def _build_error(fields: dict[str, Any], name: str, right: str) -> MalformedLine:
    if name not in fields:
        return MalformedLine(f"{name} is missing; it must be {right}")
    return MalformedLine(f"{name} is {str(fields[name])[:40]!r}; it must be {right}")
