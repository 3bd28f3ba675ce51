"""HTTP/1.1 as proxies speak it: requests in, answers out in the order in which they were asked.

Small on purpose, because what a general server does around each request costs more than the decision. httptools
(llhttp, strict) takes requests apart; here are their order, their limits and their end. A body is read and dropped.
"""

from __future__ import annotations

import math
from asyncio import Protocol, Transport
from collections import deque
from http import HTTPStatus
from socket import AF_UNIX
from typing import TYPE_CHECKING, Any, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.http.messages import Request, Response
from gateway.limits import (
    CLOSE_TIMEOUT_SECONDS,
    FIRST_REQUEST_TIMEOUT_SECONDS,
    MAX_BODY,
    MAX_FEED,
    MAX_FIELDS,
    MAX_HEAD,
    MAX_WAITING,
    READ_TIMEOUT_SECONDS,
    WRITE_TIMEOUT_SECONDS,
)
from gateway.log_lines import ERROR, report

if TYPE_CHECKING:
    from gateway.http.server import Server

_STATUS = {status.value: f"HTTP/1.1 {status} {status.phrase}\r\n".encode() for status in HTTPStatus}
_EMPTY = b"content-length: 0\r\n\r\n"
_CLOSE = b"connection: close\r\n"


class Unacceptable(Exception):
    """The request is refused before anybody asks what it wants."""

    def __init__(self, status: int) -> None:
        self.status = status


class Exchange:
    """One request's place in the order of its connection; calling it with the response answers."""

    __slots__ = ("connection", "doubted", "headless", "last", "written")

    def __init__(self, connection: Connection, *, headless: bool, last: bool) -> None:
        self.connection, self.headless, self.last = connection, headless, last
        self.doubted = False
        self.written: bytes | None = None

    def __call__(self, response: Response) -> None:
        connection = self.connection
        if connection.transport is None:
            return
        if not self.doubted and not connection.proved:
            connection.prove()
        status, head, body = response
        parts = [_STATUS[status], connection.server.date, head]
        if self.last:
            parts.append(_CLOSE)
        if body:
            parts.append(b"content-length: %d\r\n\r\n" % len(body))
            if not self.headless:
                parts.append(body)
        else:
            parts.append(_EMPTY)
        self.written = b"".join(parts)
        if connection.waiting[0] is self:
            connection.write_answers()

    def doubt(self) -> None:
        self.doubted = self.connection.doubted = True


class Connection(Protocol):
    """One connection, from accept to close. `deadline` is the time at which the server gives it up."""

    __slots__ = (
        *("server", "transport", "address", "proved", "doubted", "waiting", "deadline", "_held"),
        *("_parser", "_local", "_target", "_headers", "_request"),
        *("_begun", "_deaf", "_refused", "_stuck", "_continued", "_piece", "_fed", "_body"),
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: Transport | None = None
        # The peer's, empty on a Unix socket.
        self.address = ""
        # A question on this connection was answered to a proxy; the last one may have been anybody's.
        self.proved = self.doubted = False
        self.waiting: deque[Exchange] = deque()
        # Something of it waits for its turn (gateway/turns.py).
        self._held = False
        self.deadline = self._idle_deadline()
        self._parser: Any = HttpRequestParser(self)
        self._local = False
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # The request whose head is complete while its body is not.
        self._request: Request | None = None
        # A request has begun and is not complete; nothing more is listened to; and why that is so.
        self._begun = self._deaf = self._refused = False
        self._stuck = self._continued = False
        # Bytes of this piece, of the request so far (at least), and of its body.
        self._piece = self._fed = self._body = 0

    # The transport's calls

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._local = transport.get_extra_info("socket").family == AF_UNIX
        self.address = "" if self._local else (transport.get_extra_info("peername") or [""])[0]
        self.server.connections.add(self)
        self.server.all_connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.connections.discard(self)
        self.server.all_connections.discard(self)
        self.waiting.clear()
        # The parser holds this object: without this, each connection would wait for the garbage collector.
        self.transport = self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if not self.proved:
            self.server.turns.add(self, data)
            return
        for start in range(0, len(data), MAX_FEED):
            if not self._deaf:
                self.parse(data[start : start + MAX_FEED] if len(data) > MAX_FEED else data)

    @property
    def listening(self) -> bool:
        """Whether what arrives is still parsed."""
        return self.transport is not None and not self._deaf

    def hold(self) -> None:
        """Read nothing more until `release`."""
        self._held = True
        cast(Transport, self.transport).pause_reading()

    def release(self) -> None:
        self._held = False
        if self.transport is not None and not self.transport.is_closing() and not self._is_full():
            self.transport.resume_reading()

    def parse(self, data: bytes) -> None:
        """Parse a piece of the stream of MAX_FEED at most, and ask what is asked in it."""
        if self.doubted and not self.waiting:
            self.doubted = False
        try:
            self._feed(data)
        except HttpParserUpgrade:
            # Answered as if it had not asked; it is the connection's last request.
            pass
        except HttpParserCallbackError as error:
            self._refuse_for(error.__context__)
        except HttpParserError:
            self._refuse(400)
        except Unacceptable as error:
            self._refuse(error.status)
        if self._is_full():
            self._throttle()

    def _feed(self, data: bytes) -> None:
        self._piece = len(data)
        self._fed += self._piece
        self._parser.feed_data(data)
        if self._begun:
            self._look_at_unfinished()

    def eof_received(self) -> bool:
        """Who has only stopped talking still gets the answers that it waits for."""
        if not self.waiting:
            return False
        self._hang_up_after_last()
        return True

    def pause_writing(self) -> None:
        self._stuck = True
        self._throttle()

    def resume_writing(self) -> None:
        self._stuck = False
        self._throttle()

    # The parser's calls

    def on_message_begin(self) -> None:
        if self._deaf:
            # Something follows the last request in the same piece; whoever sent it was told that it would be the last.
            # Nothing of it is taken apart: `_refuse` says nothing more here.
            raise Unacceptable(400)
        if self.doubted:
            self._end_with_answers()
            raise Unacceptable(400)
        self._begun, self._continued = True, False
        self._target, self._headers = b"", []
        # What of this piece belongs to the requests before is not told; the exact size is asked for when it matters.
        self._fed, self._body = self._piece, 0
        self.deadline = self.server.now + READ_TIMEOUT_SECONDS

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        if len(headers) == MAX_FIELDS:
            raise Unacceptable(431)
        headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers = self._headers
        if self._fed > MAX_HEAD and self._head_bytes() > MAX_HEAD:
            raise Unacceptable(431)
        self._request = Request(self._parser.get_method().decode(), self._target, headers, self._local)
        # What comes behind a chunked body are no headers of the request.
        self._headers = []

    def on_body(self, body: bytes) -> None:
        self._body += len(body)
        if self._body > MAX_BODY:
            raise Unacceptable(413)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        if self._deaf or request is None:
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Unacceptable(400)
        if self.doubted:
            self._end_with_answers()
            raise Unacceptable(400)
        self._begun = False
        last = self.server.stopping or version == "1.0" or not parser.should_keep_alive() or parser.should_upgrade()
        exchange = Exchange(self, headless=request.method == "HEAD", last=last)
        self._deaf = last
        self.waiting.append(exchange)
        self.deadline = math.inf
        self.server.application(request, exchange)

    # What it all comes to

    def write_answers(self) -> None:
        """Write the answers whose turn it is."""
        waiting = self.waiting
        exchange = waiting.popleft()
        written = cast(bytes, exchange.written)
        if waiting:
            pieces = [written]
            while waiting and waiting[0].written is not None:
                exchange = waiting.popleft()
                pieces.append(cast(bytes, exchange.written))
            written = b"".join(pieces)
            if len(waiting) <= MAX_WAITING:
                self._throttle()
        transport = cast(Transport, self.transport)
        transport.write(written)
        if exchange.last:
            self._close()
        elif not waiting and not self._begun and not self._stuck:
            self.deadline = self._idle_deadline()

    def stop(self) -> None:
        """Take no more than what has begun, and end with its answer."""
        if self.waiting and not self._begun:
            self._hang_up_after_last()
        elif not self._begun and self.transport is not None:
            self.transport.close()

    def give_up(self) -> None:
        """The deadline has passed."""
        if self.transport is None:
            return
        if self._begun and not self._stuck and not self._deaf:
            self._refuse(408)
        else:
            self.transport.abort()

    def prove(self) -> None:
        """Keep the connection when there are too many: a proxy asks on it."""
        self.proved = True
        self.server.all_connections.prove(self)

    def abort(self) -> None:
        """Close at once, without an answer."""
        if self.transport is not None:
            self.transport.abort()

    def _end_with_answers(self) -> None:
        """Read nothing more; close once what is due has been answered."""
        self._deaf = True
        if self.waiting:
            self.waiting[-1].last = True
        else:
            self._close()

    def _hang_up_after_last(self) -> None:
        self.waiting[-1].last = self._deaf = True

    def _refuse(self, status: int) -> None:
        """The server's own answer, after those that are due; what follows cannot be understood."""
        if self._deaf:
            return
        self._deaf = self._refused = True
        self._begun = False
        exchange = Exchange(self, headless=False, last=True)
        self.waiting.append(exchange)
        self.deadline = math.inf
        exchange(Response(status, b"cache-control: no-store\r\n"))

    def _refuse_for(self, error: BaseException | None) -> None:
        if isinstance(error, Unacceptable):
            self._refuse(error.status)
            return
        report(ERROR, "http.failed", error, traceback=True)
        self.abort()

    def _close(self) -> None:
        transport = cast(Transport, self.transport)
        if self._refused and transport.can_write_eof():
            # It may still be sending: closed at once, the system would throw the answer away before it is read.
            transport.write_eof()
            transport.resume_reading()
            self.deadline = self.server.now + CLOSE_TIMEOUT_SECONDS
        else:
            transport.close()
            self.deadline = self.server.now + WRITE_TIMEOUT_SECONDS

    def _is_full(self) -> bool:
        """Return whether nothing more may be read until answers are taken off."""
        return self._stuck or len(self.waiting) > MAX_WAITING

    def _throttle(self) -> None:
        """Read on only while answers are taken off."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._is_full():
            transport.pause_reading()
        elif not self._held:
            transport.resume_reading()
        if self._stuck:
            self.deadline = self.server.now + WRITE_TIMEOUT_SECONDS
        elif self._begun:
            self.deadline = self.server.now + READ_TIMEOUT_SECONDS
        else:
            self.deadline = math.inf if self.waiting else self._idle_deadline()

    def _idle_deadline(self) -> float:
        idle = self.server.idle
        return self.server.now + (idle if self.proved else min(FIRST_REQUEST_TIMEOUT_SECONDS, idle))

    def _look_at_unfinished(self) -> None:
        if self._request is None:
            if self._fed > MAX_HEAD + self._piece:
                raise Unacceptable(431)
            return
        # Also what is sent between the pieces of a chunked body.
        if self._fed > MAX_HEAD + 2 * MAX_BODY + self._piece:
            raise Unacceptable(413)
        if not self._continued and not self.waiting and (b"expect", b"100-continue") in self._request.headers:
            self._continued = True
            if self._parser.get_http_version() == "1.1":
                cast(Transport, self.transport).write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _head_bytes(self) -> int:
        return len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers)
