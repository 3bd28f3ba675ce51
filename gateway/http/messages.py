"""The interface between the HTTP server and its application."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """A complete request, nothing of it decoded, header names in lower case. `local`: it came over a Unix socket."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    local: bool


class Response(NamedTuple):
    """A response. `head` holds complete header lines (format_header_line), without those that concern the
    connection."""

    status: int
    head: bytes
    body: bytes = b""


class Reply(Protocol):
    """Sends the response to a request."""

    def __call__(self, response: Response) -> None:
        """Send the response. The connection counts as authenticated unless mark_unauthenticated was called before."""

    def mark_unauthenticated(self) -> None:
        """Declare, before the response, that the request was not authenticated: its connection gets one request at a
        time and may be evicted."""


Application = Callable[[Request, Reply], None]


class Report(Protocol):
    """Logs what an operator should know, as gateway.error_log.report does."""

    def __call__(
        self, level: str, event: str, error: BaseException | None = None, *, traceback: bool = False, **fields: Any
    ) -> None:
        """Log the event. `level` is a level of structlog; `traceback` says that the error is a bug."""


def format_header_line(name: bytes, value: bytes) -> bytes:
    """Return the line of a header. Raise ValueError if the value would end it, because the rest would become another
    header."""
    if b"\r" in value or b"\n" in value or b"\0" in value:
        raise ValueError(f"{name!r} cannot carry {value!r}")
    return b"%b: %b\r\n" % (name, value)
