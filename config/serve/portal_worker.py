"""gunicorn's threaded worker class of the portal, which passes only complete requests to its threads.

A thread works on one request at a time, so clients that send slowly would block threads. Here the worker's event loop
receives head and body, within the limits of config/request_limits.py, and queues the request for a thread when it is
complete. Bodies without a length (browsers and proxies send one) and requests that are too large are refused unread.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from functools import partial
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from gunicorn.workers.gthread import TConn, ThreadWorker

from config import request_limits
from gateway.http.connections import get_max_connections
from gateway.http.http_limits import DRAIN_SECONDS
from keys.decision.addresses import parse_address

logger = structlog.get_logger("keyward.portal")

HEAD_END = b"\r\n\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length[ \t]*:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
TRANSFER_ENCODING = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
EXPECT_CONTINUE = re.compile(rb"\r\nexpect[ \t]*:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
RECEIVE_BYTES = 256 * request_limits.KIB
# How long a busy thread may hold the interpreter lock while another one waits. With Python's default of 5 ms, a page of
# ten queries waits 50 ms for one thread that parses an upload or encodes an export.
SWITCH_INTERVAL_SECONDS = 0.0005
SEND_BUFFER_BYTES = 512 * request_limits.KIB


class RefusedRequest(Exception):
    """The rest of the request is not read; `status` is the status of the response, `text` its body."""

    def __init__(self, status: HTTPStatus, text: str = "") -> None:
        super().__init__(status.phrase)
        self.status = status
        self.text = text or f"{status.phrase}\n"


class PortalConnection(TConn):
    """A connection of a client, with the bytes received of its next request."""

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(cfg, sock, client, server)
        self.data_ready = True
        self.address = client[0] if isinstance(client, tuple) else ""
        self.received = bytearray()
        # Length of the whole request in bytes; 0 until its head has arrived.
        self.length = 0
        self.large_bytes = 0
        self.deadline = 0.0
        self.closing = False
        # Whether a request on it was answered. Idle connections that only occupy slots never get there.
        self.has_been_served = False

    def read_head(self) -> bool:
        """Return whether the head has arrived; if so, set the request's length. Raise RefusedRequest."""
        end = self.received.find(HEAD_END)
        if end < 0 or end > request_limits.MAX_HEAD_BYTES:
            if len(self.received) > request_limits.MAX_HEAD_BYTES:
                raise RefusedRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            return False
        head = bytes(self.received[: end + len(HEAD_END)])
        lengths = set(CONTENT_LENGTH.findall(head))
        if TRANSFER_ENCODING.search(head):
            raise RefusedRequest(HTTPStatus.LENGTH_REQUIRED)
        if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]{1,18}", length) for length in lengths):
            raise RefusedRequest(HTTPStatus.BAD_REQUEST)
        body = int(next(iter(lengths), b"0"))
        limit = request_limits.get_max_body_bytes(_get_path(head))
        if body > limit:
            raise RefusedRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, request_limits.format_too_large(limit))
        self.length = len(head) + body
        self.large_bytes = body if body > request_limits.MAX_ANONYMOUS_BODY_BYTES else 0
        self.deadline += body / request_limits.MIN_BODY_BYTES_PER_SECOND
        if EXPECT_CONTINUE.search(head) and len(self.received) < self.length:
            self.sock.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def init(self) -> None:
        """Pass the received bytes to the parser. Called in the thread."""
        super().init()
        self.sock.settimeout(request_limits.SEND_TIMEOUT_SECONDS)
        self.parser.unreader.unread(bytes(self.received))
        self.received.clear()

    def take_pipelined(self) -> None:
        """Take the bytes that follow the answered request back from the parser."""
        self.received = bytearray(self.parser.unreader.take_buffered())


class PortalWorker(ThreadWorker):
    """Runs complete requests in threads; a waiting connection costs only the memory of its bytes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Dropping connections enforces the limit; gunicorn would stop accepting instead.
        self.worker_connections = sys.maxsize
        self.max_connections = request_limits.MAX_CONNECTIONS
        self.waiting: dict[PortalConnection, None] = {}
        self.addresses: Counter[str] = Counter()
        self.large_bytes = 0

    def init_process(self) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
        self.max_connections = get_max_connections(request_limits.MAX_CONNECTIONS, request_limits.RESERVED_DESCRIPTORS)
        super().init_process()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Also, when the worker stops, accept the connections that wait, and close the sockets: further connections are
        refused at once, or accepted by the process that takes over. Idle ones are closed after DRAIN_SECONDS, as a
        request may be on its way."""
        super().set_accept_enabled(enabled)
        if not enabled and not self.alive:
            for listener in self.sockets:
                while self.accept(listener):
                    pass
                listener.close()
            drained = time.monotonic() + DRAIN_SECONDS
            for conn in self.waiting:
                if not (conn.received or conn.closing):
                    conn.deadline = min(conn.deadline, drained)

    def accept(self, listener: socket.socket) -> bool:
        """Accept a connection; return whether there was one."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            # Out of descriptors or memory (EMFILE, ENFILE, ENOBUFS): drop a waiting connection, or else accept none
            # until the next turn of the loop (murder_pending).
            logger.error("accept.failed", detail=str(error))
            if not self._drop_longest_waiting(self.waiting):
                self.worker_connections = 0
            return False
        conn = PortalConnection(self.cfg, sock, client, listener.getsockname())
        self.nr_conns += 1
        self.addresses[conn.address] += 1
        if not self._make_room(conn.address):
            self._drop(conn)
            return True
        with contextlib.suppress(OSError):
            # Large enough for a whole page, so that a thread need not wait for a client that reads slowly.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._wait(conn, request_limits.HEAD_TIMEOUT_SECONDS)
        return True

    def finish_request(self, conn: PortalConnection, future: Future[Any]) -> None:
        """Wait for the next request of a kept-alive connection: briefly when the worker stops, because the client was
        told that it may send one. Called in the event loop."""
        self.large_bytes -= conn.large_bytes
        conn.large_bytes = conn.length = 0
        try:
            keep_alive = not future.cancelled() and future.result()
        except Exception:
            keep_alive = False
        if not keep_alive:
            with contextlib.suppress(OSError):
                conn.sock.setblocking(False)
            self._close_gracefully(conn)
            return
        conn.has_been_served = True
        conn.take_pipelined()
        conn.sock.setblocking(False)
        idle_seconds = request_limits.KEEPALIVE_SECONDS if self.alive else DRAIN_SECONDS
        self._wait(conn, request_limits.HEAD_TIMEOUT_SECONDS if conn.received else idle_seconds)
        self._advance(conn)

    def murder_pending(self) -> None:
        """Close connections past their deadline. Start accepting again. gunicorn's name."""
        self.worker_connections = sys.maxsize
        now = time.monotonic()
        for conn in list(self.waiting):
            if conn.deadline < now:
                self._drop(conn)

    def _wait(self, conn: PortalConnection, seconds: float) -> None:
        conn.deadline = time.monotonic() + seconds
        self.waiting[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))

    def _receive(self, conn: PortalConnection, _sock: Any) -> None:
        if conn not in self.waiting:
            # Dropped earlier in the same turn: a closed connection must not be counted twice.
            return
        try:
            data = conn.sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
        elif not conn.closing:
            if not conn.received:
                # A request's timeout begins with its first byte, not with the end of the previous one.
                conn.deadline = time.monotonic() + request_limits.HEAD_TIMEOUT_SECONDS
            conn.received += data
            self._advance(conn)

    def _advance(self, conn: PortalConnection) -> None:
        """Queue the request for a thread if it is complete, or refuse it."""
        try:
            if not conn.length and conn.read_head():
                self.large_bytes += conn.large_bytes
                if conn.large_bytes and self.large_bytes > request_limits.MAX_LARGE_BODIES_BYTES:
                    raise RefusedRequest(HTTPStatus.SERVICE_UNAVAILABLE)
        except RefusedRequest as refused:
            self._reject(conn, refused.status, refused.text)
            return
        except OSError:
            self._drop(conn)
            return
        if conn.length and len(conn.received) >= conn.length:
            self._forget(conn)
            self.enqueue_req(conn)

    def _reject(self, conn: PortalConnection, status: HTTPStatus, text: str) -> None:
        head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"
        self._forget(conn)
        with contextlib.suppress(OSError):
            conn.sock.send(f"{head}Content-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode())
        self._close_gracefully(conn)

    def _close_gracefully(self, conn: PortalConnection) -> None:
        """Shut down writing and go on reading for a moment: an immediate close while the client sends would discard the
        response."""
        conn.closing = True
        conn.received.clear()
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            self._wait(conn, request_limits.CLOSE_TIMEOUT_SECONDS)
        except (OSError, ValueError):
            self._drop(conn)

    def _make_room(self, address: str) -> bool:
        """Return whether one more connection from `address` can be accepted, after dropping a waiting one if needed."""
        over_share = self.addresses[address] > request_limits.MAX_CONNECTIONS_PER_ADDRESS and not _is_trusted(address)
        if not over_share and self.nr_conns <= self.max_connections:
            return True
        return self._drop_longest_waiting(conn for conn in self.waiting if not over_share or conn.address == address)

    def _drop_longest_waiting(self, waiting: Iterable[PortalConnection]) -> bool:
        """Drop the first connection, preferring those that have sent no request. Return whether there was one."""
        candidates = list(waiting)
        longest = next((conn for conn in candidates if not conn.has_been_served), candidates[0] if candidates else None)
        if longest is not None:
            self._drop(longest)
        return longest is not None

    def _forget(self, conn: PortalConnection) -> None:
        if conn in self.waiting:
            del self.waiting[conn]
            with contextlib.suppress(OSError, KeyError, ValueError):
                self.poller.unregister(conn.sock)

    def _drop(self, conn: PortalConnection) -> None:
        self._forget(conn)
        self.large_bytes -= conn.large_bytes
        conn.large_bytes = 0
        self.nr_conns -= 1
        self.addresses[conn.address] -= 1
        if not self.addresses[conn.address]:
            del self.addresses[conn.address]
        conn.close()


def _get_path(head: bytes) -> str:
    target = head.split(b" ", 2)[1:2]
    return target[0].split(b"?")[0].decode("latin-1") if target else ""


def _is_trusted(address: str) -> bool:
    """Return whether the address may have many clients behind it: a trusted proxy, or a Unix socket."""
    # A socket that listens on `::` shows IPv4 addresses as IPv6, which parse_address maps back.
    parsed = parse_address(address)
    return not address or (parsed is not None and any(parsed in network for network in settings.TRUSTED_PROXIES))
