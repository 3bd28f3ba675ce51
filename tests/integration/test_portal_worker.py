"""The portal's server against clients that are slow, silent, large or many: the others do not notice them."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from config import request_limits
from tests.echo_server import serve

GOOD = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serve() as port:
        yield port


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def answer(sock: socket.socket) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(sock)
    response.begin()
    return response


def page_seconds(port: int) -> float:
    began = time.monotonic()
    with connected(port) as sock:
        sock.sendall(GOOD)
        assert answer(sock).status == 200
    return time.monotonic() - began


def posted(path: str, body: bytes, *fields: str) -> bytes:
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *fields])
    return f"{head}\r\n\r\n".encode() + body


def test_clients_that_send_a_byte_at_a_time_hold_nobody_up(port: int) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(port)) for _ in range(60)]
        for number, sock in enumerate(slow):
            # Half of them dawdle in the head, half in a body.
            sock.sendall(b"GET / HT" if number % 2 else posted("/login/", b"a" * 1_000)[:-900])
        for _ in range(5):
            for sock in slow:
                sock.send(b"a")
            assert page_seconds(port) < request_limits.HEAD_TIMEOUT_SECONDS / 2


def test_a_slow_head_is_cut_off_in_its_time(port: int) -> None:
    with connected(port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nX-A: ")
        began = time.monotonic()
        assert sock.recv(1) == b""
        assert time.monotonic() - began < request_limits.HEAD_TIMEOUT_SECONDS + 5


def test_more_silent_connections_than_there_are_places_make_room(port: int) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(port)) for _ in range(request_limits.MAX_CONNECTIONS + 40)]
        assert page_seconds(port) < request_limits.HEAD_TIMEOUT_SECONDS / 2
        silent[0].settimeout(5)
        # The one that waited longest was closed for it.
        assert silent[0].recv(1) == b""


def test_a_connection_that_brought_a_request_is_kept_while_silent_ones_make_room(port: int) -> None:
    with ExitStack() as stack:
        kept = stack.enter_context(connected(port))
        kept.sendall(GOOD)
        answer(kept).read()
        for _ in range(request_limits.MAX_CONNECTIONS + 40):
            stack.enter_context(connected(port))
        kept.sendall(GOOD)
        assert answer(kept).status == 200


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (posted("/login/", b"")[:-4].replace(b"Content-Length: 0", b"Content-Length: 400000000") + b"\r\n\r\n", 413),
        (posted("/login/", b"a" * (request_limits.MAX_ANONYMOUS_BODY_BYTES + 1)), 413),
        (posted("/keys/new/", b"a" * (request_limits.MAX_BODY_BYTES + 1)), 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 411),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\naa", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e3\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * request_limits.MAX_HEAD_BYTES, 431),
        (b"GET /" + b"a" * request_limits.MAX_HEAD_BYTES, 431),
    ],
)
def test_what_is_too_large_or_without_a_length_is_refused_before_it_is_read(
    port: int, request_: bytes, status: int
) -> None:
    with connected(port) as sock:
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(request_)
        response = answer(sock)
        assert (response.status, response.headers["Connection"]) == (status, "close")
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("size", [0, 1, 60_000, request_limits.MAX_BODY_BYTES])
def test_a_body_arrives_whole_in_whatever_pieces_it_is_sent(port: int, size: int) -> None:
    body = os.urandom(size)
    sent = posted("/keys/new/", body)
    with connected(port) as sock:
        step = max(1, len(sent) // 7)
        for start in range(0, len(sent), step):
            sock.sendall(sent[start : start + step])
            time.sleep(0.01)
        response = answer(sock)
        assert (response.status, response.headers["X-Read"]) == (200, str(size))
        assert response.read().decode() == hashlib.sha256(body).hexdigest()


def test_requests_on_one_connection_are_answered_in_turn(port: int) -> None:
    with connected(port) as sock:
        sock.sendall(posted("/a", b"first") + posted("/b", b"second") + GOOD)
        lines: list[bytes] = []
        received = b""
        while len(lines) < 3:
            received += sock.recv(10_000)
            lines = re.findall(rb"\r\n\r\n([0-9a-f]{64})", received)
    assert [text.decode() for text in lines] == [hashlib.sha256(t).hexdigest() for t in (b"first", b"second", b"")]


def test_a_client_that_asks_first_is_told_to_go_on(port: int) -> None:
    with connected(port) as sock:
        whole = posted("/a", b"a" * 100, "Expect: 100-continue")
        sock.sendall(whole[:-100])
        assert sock.recv(100).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")
        sock.sendall(whole[-100:])
        assert answer(sock).status == 200


def test_clients_that_do_not_read_hold_no_thread(port: int) -> None:
    with ExitStack() as stack:
        for _ in range(16):
            sock = stack.enter_context(connected(port))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.sendall(GOOD.replace(b"GET / ", b"GET /large "))
        assert page_seconds(port) < request_limits.HEAD_TIMEOUT_SECONDS / 2


def test_a_stopping_worker_answers_on_a_connection_that_it_promised_to_keep() -> None:
    with serve() as port, connected(port) as sock:
        sock.sendall(GOOD.replace(b"GET / ", b"GET /stop "))
        response = answer(sock)
        assert (response.status, response.will_close) == (200, False)
        response.read()
        sock.sendall(GOOD)
        response = answer(sock)
        assert (response.status, response.will_close) == (200, True)
