"""HTTP/1.1 as proxies speak it: one asyncio protocol for each connection, with responses in the order of the requests.

It is small because what a general server does around each request costs more CPU time than the decision. httptools
(llhttp, strict) parses the requests; this module adds order, limits and deadlines. Bodies are read and dropped. It is
one module because each method reads what the others leave in the connection: to change one is to read all.
"""

from __future__ import annotations

from asyncio import Protocol, Transport
from collections import deque
from socket import AF_UNIX
from typing import TYPE_CHECKING, Any, cast

from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from gateway.http.exchange import Exchange
from gateway.http.http_limits import (
    ANSWER_TIMEOUT_SECONDS,
    CLOSE_TIMEOUT_SECONDS,
    FIRST_REQUEST_TIMEOUT_SECONDS,
    MAX_BODY_BYTES,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    MAX_PARSE_BYTES,
    MAX_PIPELINED_REQUESTS,
    READ_TIMEOUT_SECONDS,
    WRITE_TIMEOUT_SECONDS,
)
from gateway.http.messages import Request, Response

if TYPE_CHECKING:
    from gateway.http.server import Server


class RequestRejected(Exception):
    """The request is rejected with a status before the application sees it."""

    def __init__(self, status: int) -> None:
        self.status = status


class HttpConnection(Protocol):
    """One connection, from accept to close. The server calls `on_deadline` when `deadline` has passed."""

    __slots__ = (
        *(
            "server",
            "transport",
            "address",
            "is_authenticated",
            "is_unauthenticated",
            "exchanges",
            "deadline",
            "_read_paused",
        ),
        *("_parser", "_is_local", "_target", "_headers", "_request"),
        *(
            "_request_open",
            "_closing",
            "_is_refused",
            "_write_paused",
            "_continue_sent",
            "_chunk_length",
            "_bytes_since_head",
            "_body_length",
        ),
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: Transport | None = None
        # IP address of the peer, empty on a Unix socket.
        self.address = ""
        # Whether a request on this connection was authenticated, and whether the last one was not.
        self.is_authenticated = self.is_unauthenticated = False
        self.exchanges: deque[Exchange] = deque()
        # Whether input waits for its turn (gateway/http/parse_queue.py).
        self._read_paused = False
        self.deadline = self._idle_deadline()
        self._parser: Any = HttpRequestParser(self)
        self._is_local = False
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        # The request whose head is complete while its body is not.
        self._request: Request | None = None
        # Whether a request has begun and is not complete; whether no more input is parsed; whether because it was
        # rejected.
        self._request_open = self._closing = self._is_refused = False
        self._write_paused = self._continue_sent = False
        # Bytes of this piece, of the request so far (at least), and of its body.
        self._chunk_length = self._bytes_since_head = self._body_length = 0

    # Called by the transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._is_local = transport.get_extra_info("socket").family == AF_UNIX
        self.address = "" if self._is_local else (transport.get_extra_info("peername") or [""])[0]
        self.server.connections.add(self)
        self.server.all_connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.connections.discard(self)
        self.server.all_connections.discard(self)
        self.exchanges.clear()
        # The parser refers to this object: the cycle would stay until the garbage collector runs.
        self.transport = self._parser = None

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if not self.is_authenticated:
            self.server.parse_queue.add(self, data)
            return
        if len(data) <= MAX_PARSE_BYTES:
            self.parse(data)
            return
        for start in range(0, len(data), MAX_PARSE_BYTES):
            if not self._closing:
                self.parse(data[start : start + MAX_PARSE_BYTES])

    @property
    def is_reading(self) -> bool:
        """Whether input is still parsed."""
        return self.transport is not None and not self._closing

    def pause_reading(self) -> None:
        """Read nothing until `resume_reading`."""
        self._read_paused = True
        cast(Transport, self.transport).pause_reading()

    def resume_reading(self) -> None:
        self._read_paused = False
        if self.transport is not None and not self.transport.is_closing() and not self._is_full():
            self.transport.resume_reading()

    def parse(self, data: bytes) -> None:
        """Parse at most MAX_PARSE_BYTES of input, and pass complete requests to the application."""
        if self.is_unauthenticated and not self.exchanges:
            self.is_unauthenticated = False
        self._chunk_length = len(data)
        self._bytes_since_head += self._chunk_length
        try:
            self._parser.feed_data(data)
            if self._request_open:
                self._check_unfinished_request()
        except HttpParserUpgrade:
            # Answered as if no upgrade was asked for; it is the connection's last request.
            pass
        except HttpParserCallbackError as error:
            self._handle_parser_error(error.__context__)
        except HttpParserError:
            self._reject(400)
        except RequestRejected as error:
            self._reject(error.status)
        if self._is_full():
            self._throttle()

    def eof_received(self) -> bool:
        """Keep the connection open for pending responses when the peer has only stopped sending."""
        if not self.exchanges:
            return False
        self._close_after_last_response()
        return True

    def pause_writing(self) -> None:
        self._write_paused = True
        self._throttle()

    def resume_writing(self) -> None:
        self._write_paused = False
        self._throttle()

    # Called by the parser

    def on_message_begin(self) -> None:
        if self._closing:
            # Data follows the last request in the same piece. The peer was told that the connection closes, so nothing
            # of it is parsed: `_reject` sends nothing more.
            raise RequestRejected(400)
        if self.is_unauthenticated:
            self._close_after_responses()
            raise RequestRejected(400)
        self._request_open, self._continue_sent = True, False
        self._target, self._headers = b"", []
        # How much of this piece belongs to earlier requests is unknown; the exact size is computed when it matters.
        self._bytes_since_head, self._body_length = self._chunk_length, 0
        self.deadline = self.server.now + READ_TIMEOUT_SECONDS

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        headers = self._headers
        if len(headers) == MAX_FIELDS:
            raise RequestRejected(431)
        headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        headers = self._headers
        if self._bytes_since_head > MAX_HEAD_BYTES and self._get_head_size() > MAX_HEAD_BYTES:
            raise RequestRejected(431)
        self._request = Request(self._parser.get_method().decode(), self._target, headers, self._is_local)
        # Trailers of a chunked body are no headers of the request.
        self._headers = []

    def on_body(self, body: bytes) -> None:
        self._body_length += len(body)
        if self._body_length > MAX_BODY_BYTES:
            raise RequestRejected(413)

    def on_message_complete(self) -> None:
        request, self._request = self._request, None
        if self._closing or request is None:
            return
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise RequestRejected(400)
        if self.is_unauthenticated:
            self._close_after_responses()
            raise RequestRejected(400)
        self._request_open = False
        last = self.server.stopping or version == "1.0" or not parser.should_keep_alive() or parser.should_upgrade()
        exchange = Exchange(self, head_only=request.method == "HEAD", last=last)
        self._closing = last
        self.exchanges.append(exchange)
        self.deadline = self._answer_deadline()
        self.server.application(request, exchange)

    # Responses, deadlines and the end

    def write_responses(self) -> None:
        """Write the responses whose turn it is."""
        exchanges = self.exchanges
        exchange = exchanges.popleft()
        encoded = cast(bytes, exchange.encoded)
        if exchanges:
            pieces = [encoded]
            while exchanges and exchanges[0].encoded is not None:
                exchange = exchanges.popleft()
                pieces.append(cast(bytes, exchange.encoded))
            encoded = b"".join(pieces)
            if len(exchanges) <= MAX_PIPELINED_REQUESTS:
                self._throttle()
        transport = cast(Transport, self.transport)
        transport.write(encoded)
        if exchange.last:
            self._close()
        elif not exchanges and not self._request_open and not self._write_paused:
            self.deadline = self._idle_deadline()

    def stop(self) -> None:
        """Accept no further request; close after the response to the one that has begun."""
        if self.exchanges and not self._request_open:
            self._close_after_last_response()
        elif not self._request_open and self.transport is not None:
            self.transport.close()

    def on_deadline(self) -> None:
        """Reject a request that takes too long with 408; abort the connection otherwise."""
        if self.transport is None:
            return
        if self._request_open and not self._write_paused and not self._closing:
            self._reject(408)
        else:
            self.transport.abort()

    def mark_authenticated(self) -> None:
        """Exempt the connection from eviction: an authenticated proxy uses it."""
        self.is_authenticated = True
        self.server.all_connections.mark_authenticated(self)

    def abort(self) -> None:
        """Close at once, without a response."""
        if self.transport is not None:
            self.transport.abort()

    def _close_after_responses(self) -> None:
        """Read nothing more; close after the pending responses."""
        self._closing = True
        if self.exchanges:
            self.exchanges[-1].last = True
        else:
            self._close()

    def _close_after_last_response(self) -> None:
        self.exchanges[-1].last = self._closing = True

    def _reject(self, status: int) -> None:
        """Answer with a status after the pending responses, and close: what follows cannot be parsed."""
        if self._closing:
            return
        self._closing = self._is_refused = True
        self._request_open = False
        exchange = Exchange(self, head_only=False, last=True)
        self.exchanges.append(exchange)
        self.deadline = self._answer_deadline()
        exchange(Response(status, b"cache-control: no-store\r\n"))

    def _handle_parser_error(self, error: BaseException | None) -> None:
        if isinstance(error, RequestRejected):
            self._reject(error.status)
            return
        self.server.report("error", "http.failed", error, traceback=True)
        self.abort()

    def _close(self) -> None:
        transport = cast(Transport, self.transport)
        if self._is_refused and transport.can_write_eof():
            # The peer may still be sending: after an immediate close the system would discard the response before it is
            # read.
            transport.write_eof()
            transport.resume_reading()
            self.deadline = self.server.now + CLOSE_TIMEOUT_SECONDS
        else:
            transport.close()
            self.deadline = self.server.now + WRITE_TIMEOUT_SECONDS

    def _is_full(self) -> bool:
        """Return whether reading must pause until responses are taken."""
        return self._write_paused or len(self.exchanges) > MAX_PIPELINED_REQUESTS

    def _throttle(self) -> None:
        """Pause or resume reading by the pending responses, and set the deadline."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        if self._is_full():
            transport.pause_reading()
        elif not self._read_paused:
            transport.resume_reading()
        if self._write_paused:
            self.deadline = self.server.now + WRITE_TIMEOUT_SECONDS
        elif self._request_open:
            self.deadline = self.server.now + READ_TIMEOUT_SECONDS
        else:
            self.deadline = self._answer_deadline() if self.exchanges else self._idle_deadline()

    def _answer_deadline(self) -> float:
        return self.server.now + ANSWER_TIMEOUT_SECONDS

    def _idle_deadline(self) -> float:
        idle_timeout_seconds = self.server.idle_timeout_seconds
        return self.server.now + (
            idle_timeout_seconds if self.is_authenticated else min(FIRST_REQUEST_TIMEOUT_SECONDS, idle_timeout_seconds)
        )

    def _check_unfinished_request(self) -> None:
        if self._request is None:
            if self._bytes_since_head > MAX_HEAD_BYTES + self._chunk_length:
                raise RequestRejected(431)
            return
        # Counts the framing of a chunked body too.
        if self._bytes_since_head > MAX_HEAD_BYTES + 2 * MAX_BODY_BYTES + self._chunk_length:
            raise RequestRejected(413)
        if not self._continue_sent and not self.exchanges and (b"expect", b"100-continue") in self._request.headers:
            self._continue_sent = True
            if self._parser.get_http_version() == "1.1":
                cast(Transport, self.transport).write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _get_head_size(self) -> int:
        return len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers)
