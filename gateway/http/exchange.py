"""A request of a connection and its response, encoded in the order of the requests."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.http.messages import Response

if TYPE_CHECKING:
    from gateway.http.protocol import HttpConnection

_STATUS = {status.value: f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}
_EMPTY = b"content-length: 0\r\n\r\n"
_CLOSE = b"connection: close\r\n"


class Exchange:
    """A request that waits for its response, in the order of its connection. It is the Reply of the application."""

    __slots__ = ("connection", "encoded", "head_only", "is_unauthenticated", "last")

    def __init__(self, connection: HttpConnection, *, head_only: bool, last: bool) -> None:
        self.connection, self.head_only, self.last = connection, head_only, last
        self.is_unauthenticated = False
        self.encoded: bytes | None = None

    def __call__(self, response: Response) -> None:
        connection = self.connection
        if connection.transport is None:
            return
        if not self.is_unauthenticated and not connection.is_authenticated:
            connection.mark_authenticated()
        status, head, body = response
        parts = [_STATUS[status], connection.server.date, head]
        if self.last:
            parts.append(_CLOSE)
        if body:
            parts.append(b"content-length: %d\r\n\r\n" % len(body))
            if not self.head_only:
                parts.append(body)
        else:
            parts.append(_EMPTY)
        self.encoded = b"".join(parts)
        if connection.exchanges[0] is self:
            connection.write_responses()

    def mark_unauthenticated(self) -> None:
        self.is_unauthenticated = self.connection.is_unauthenticated = True
