"""What is asked and what is answered, between the protocol and what answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol


class Request(NamedTuple):
    """A whole request; names of headers in small letters, nothing decoded. `local`: it came over a Unix socket."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    local: bool


class Response(NamedTuple):
    """`head` is complete header lines (see `line`), without those that belong to the connection."""

    status: int
    head: bytes
    body: bytes = b""


class Reply(Protocol):
    """Where a request's response goes."""

    def __call__(self, response: Response) -> None:
        """Answer. Whoever is answered without a doubt has proved to be a proxy."""

    def mark_unauthenticated(self) -> None:
        """Say, before the answer, that anybody may be asking: one question at a time, and no claim to stay."""


Application = Callable[[Request, Reply], None]


class Report(Protocol):
    """Where the server reports what an operator should know, such as gateway.error_log.report."""

    def __call__(
        self, level: str, event: str, error: BaseException | None = None, *, traceback: bool = False, **fields: Any
    ) -> None:
        """Log the event. `level` is a level of structlog; `traceback` says that the error is a fault of this code."""


def format_header_line(name: bytes, value: bytes) -> bytes:
    """A header's line. A value that would end it is a fault of ours, and must not become another header."""
    if b"\r" in value or b"\n" in value or b"\0" in value:
        raise ValueError(f"{name!r} cannot carry {value!r}")
    return b"%b: %b\r\n" % (name, value)
