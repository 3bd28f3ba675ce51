"""HTTP from hostile, careless and slow peers, over real sockets."""

from __future__ import annotations

import socket
import struct
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.error_log import report
from gateway.http import protocol
from gateway.http.http_limits import MAX_BODY_BYTES, MAX_FIELDS, MAX_HEAD_BYTES
from gateway.http.messages import format_header_line
from gateway.http.server import Server
from tests.system.gateway.echo_application import Echo, Running, serving
from tests.waiting import happens


@pytest.fixture(scope="module")
def running():
    with serving() as server:
        yield server


@pytest.fixture
def app_requests(running):
    """The requests that the application received since the test began."""
    running.echo.asked.clear()
    return running.echo.asked


def get(path: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"host: x", *headers]) + b"\r\n\r\n"


CLOSE = b"connection: close"


def test_a_request_is_answered_and_the_connection_stays(running: Running):
    with running.connect() as client:
        for path in (b"/a", b"/later/b", b"/c?d=%20e"):
            head, _, body = client.send(get(path)).until(path).partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            assert lines[0] == b"HTTP/1.1 200 OK"
            assert lines[1].startswith(b"date: ")
            assert lines[1].endswith(b" GMT")
            assert lines[2:] == [b"x-count: 1", b"content-length: %d" % len(path)]
            assert body == path


def test_byte_by_byte(running: Running, app_requests):
    with running.connect() as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send(*(bytes([byte]) for byte in get(b"/slow?a=b", b"x-one: 1")))
        assert client.until(b"/slow?a=b").startswith(b"HTTP/1.1 200")
    assert app_requests[0] == ("GET", b"/slow?a=b", [(b"host", b"x"), (b"x-one", b"1")], False)


def test_pipelined_answers_come_in_order(running: Running):
    paths = [b"/later/%03d;" % n if n % 3 == 0 else b"/now/%03d;" % n for n in range(300)]
    with running.connect() as client:
        client.send(b"".join(get(path) for path in paths))
        received = client.until(b";", len(paths))
    assert [b"/" + piece.rpartition(b"\r\n\r\n/")[2] for piece in received.split(b";")[:-1]] == [
        path[:-1] for path in paths
    ]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_how_a_stream_is_cut_into_pieces_changes_nothing(data):
    stream = (
        get(b"/a", b"x-empty:", b"x-list: 1, 2")
        + b"\r\nPOST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"
        + b"PUT /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n"
        + b"HEAD /d HTTP/1.1\r\n\r\n"
        + get(b"/e", CLOSE)
    )
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=40)))
    whole, pieces = Pipe(), Pipe()
    whole.feed(stream)
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        pieces.feed(stream[start:end])
    assert pieces.echo.asked == whole.echo.asked
    assert pieces.written == whole.written
    assert len(whole.echo.asked) == 5
    assert whole.closed
    assert pieces.closed


class Pipe:
    """A connection without a socket."""

    def __init__(self) -> None:
        self.echo, self.written, self.closed = Echo(), b"", False
        server = Server(self.echo, report=report, idle_timeout_seconds=75)
        server.date = b""
        self.connection = server()
        self.connection.connection_made(self)
        # What is not would wait for its turn of an event loop.
        self.connection.mark_authenticated()

    def feed(self, piece: bytes) -> None:
        if not self.closed:
            self.connection.data_received(piece)

    def get_extra_info(self, name: str) -> object:
        return ("127.0.0.1", 40000) if name == "peername" else SimpleNamespace(family=socket.AF_INET)

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True


CHUNKED = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n"


def padded(size: int) -> bytes:
    return b"x-pad: " + b"a" * (size - 7)


@pytest.mark.parametrize(
    ("pieces", "status"),
    [
        ([get(b"/", padded(MAX_HEAD_BYTES - 100))], b"200"),
        ([get(b"/", padded(MAX_HEAD_BYTES))], b"431"),
        ([get(b"/" + b"a" * MAX_HEAD_BYTES)], b"431"),
        ([b"GET / HTTP/1.1\r\nx-pad: ", *([b"a" * 8192] * 40)], b"431"),
        ([b"GET /", *([b"a" * 8192] * 40)], b"431"),
        ([get(b"/", *([b"a: b"] * (MAX_FIELDS - 1)))], b"200"),
        ([get(b"/", *([b"a: b"] * MAX_FIELDS))], b"431"),
        ([b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % MAX_BODY_BYTES, b"b" * MAX_BODY_BYTES], b"200"),
        ([b"POST / HTTP/1.1\r\ncontent-length: 10000000000\r\n\r\n", *([b"b" * 8192] * 40)], b"413"),
        (
            [CHUNKED + b"\r\n", *([b"2000\r\n" + b"b" * 8192 + b"\r\n"] * 40)],
            b"413",
        ),
        (
            [
                CHUNKED + b"\r\n1;",
                *([b"x" * 8192] * 200),
            ],
            b"413",
        ),
        (
            [
                CHUNKED + b"\r\n0\r\n",
                *([b"x-trailer: " + b"x" * 8192 + b"\r\n"] * 200),
            ],
            b"413",
        ),
    ],
    ids=[
        *("largest head", "head too large", "target too long", "endless header", "endless target"),
        *("most fields", "too many fields", "largest body", "body too large", "chunked body too large"),
        *("endless chunk extension", "endless trailer"),
    ],
)
def test_what_is_too_large_is_refused(running: Running, pieces: list[bytes], status: bytes):
    with running.connect() as client:
        client.send(*pieces)
        received = client.until(b"\r\n\r\n")
        assert received.startswith(b"HTTP/1.1 %b " % status)
        assert (CLOSE in received) == (status != b"200")
        if status != b"200":
            assert client.closed(20)


SMUGGLED = get(b"/smuggled")
MALFORMED = {
    "content-length and transfer-encoding": CHUNKED.replace(b"\r\n", b"\r\ncontent-length: 5\r\n", 1) + b"\r\n",
    "the same the other way round": CHUNKED + b"content-length: 5\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    "the same length twice": b"POST / HTTP/1.1\r\ncontent-length: 0\r\ncontent-length: 0\r\n\r\n",
    "a list of lengths": b"POST / HTTP/1.1\r\ncontent-length: 5, 5\r\n\r\nhello",
    "a signed length": b"POST / HTTP/1.1\r\ncontent-length: +5\r\n\r\nhello",
    "a negative length": b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    "a huge length": b"POST / HTTP/1.1\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    "chunked is not the last coding": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n",
    "an unknown coding": b"POST / HTTP/1.1\r\ntransfer-encoding: xchunked\r\n\r\n",
    "a bad chunk size": CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "a chunk longer than said": CHUNKED + b"\r\n2\r\nhello\r\n0\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nhost : x\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nhost\r\n\r\n",
    "an empty name": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nhost: x\0y\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nho\0st: x\r\n\r\n",
    "NUL in the target": b"GET /\0 HTTP/1.1\r\n\r\n",
    "NUL first": b"\0GET / HTTP/1.1\r\n\r\n",
    "a lone CR in a value": b"GET / HTTP/1.1\r\nhost: x\ry: z\r\n\r\n",
    "a lone LF": b"GET / HTTP/1.1\nhost: x\n\n",
    "a space in the target": b"GET /a b HTTP/1.1\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "HTTP/0.9": b"GET / HTTP/0.9\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n\r\n",
    "HTTP/3.7": b"GET / HTTP/3.7\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "an unknown method": b"GOT / HTTP/1.1\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x8a" * 80,
    "noise": bytes(range(255, 0, -1)),
}


@pytest.mark.quality(1)
@pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_can_be_read_in_two_ways_is_refused_and_nothing_behind_it_is_read(
    running: Running, app_requests, malformed
):
    with running.connect() as client:
        client.send(get(b"/before"), malformed, SMUGGLED)
        received = client.rest()
    assert received.count(b"HTTP/1.1 ") == 2
    assert received.partition(b"/before")[2].startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert [request.target for request in app_requests] == [b"/before"]


def test_a_refusal_waits_for_the_answers_before_it(running: Running):
    with running.connect() as client:
        received = client.send(get(b"/later/1") + b"\0").rest()
    assert [received.find(text) for text in (b"200 OK", b"/later/1", b"400 Bad")] == sorted(
        received.find(text) for text in (b"200 OK", b"/later/1", b"400 Bad")
    )
    assert b"/later/1HTTP/1.1 400 Bad" in received


def test_trailers_and_bodies_are_no_headers(running: Running, app_requests):
    with running.connect() as client:
        client.send(b"POST /t HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-gateway-secret: s\r\n\r\n")
        client.until(b"/t")
        client.send(get(b"/next"))
        client.until(b"/next")
    assert [request.headers for request in app_requests] == [[(b"transfer-encoding", b"chunked")], [(b"host", b"x")]]


@pytest.mark.parametrize(
    "last",
    [
        get(b"/last", CLOSE),
        get(b"/last", b"Connection: foo, Close"),
        b"GET /last HTTP/1.0\r\n\r\n",
        b"GET /last HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
        get(b"/last", b"connection: upgrade", b"upgrade: websocket"),
        get(
            b"/last",
            b"connection: upgrade, http2-settings",
            b"upgrade: h2c",
            b"http2-settings: AAMA",
        ),
    ],
    ids=["close", "close in a list", "HTTP/1.0", "HTTP/1.0 keep-alive", "websocket", "h2c"],
)
def test_the_last_request_is_answered_and_what_follows_is_not_read(running: Running, app_requests, last: bytes):
    with running.connect() as client:
        received = client.send(last + SMUGGLED).rest()
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert CLOSE in received
    assert received.count(b"HTTP/1.1") == 1
    assert [request.target for request in app_requests] == [b"/last"]


def test_head_gets_the_headers_alone(running: Running):
    with running.connect() as client:
        client.send(b"HEAD /head HTTP/1.1\r\n\r\n" + get(b"/next", CLOSE))
        first, second = client.rest().split(b"\r\n\r\n", 1)
    assert first.endswith(b"content-length: 5")
    assert second.startswith(b"HTTP/1.1 200 OK")


def test_connect_opens_nothing(running: Running):
    with running.connect() as client:
        received = client.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n" + SMUGGLED).rest()
    assert received.count(b"HTTP/1.1") == 1
    assert CLOSE in received


def test_who_asks_first_is_told_to_go_on(running: Running):
    with running.connect() as client:
        client.send(b"POST /e HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.send(b"ok").until(b"/e").startswith(b"HTTP/1.1 200 OK")
        # Without a body there is nothing to go on with.
        assert client.send(get(b"/f", b"expect: 100-continue")).until(b"/f").startswith(b"HTTP/1.1 200 OK")


def test_half_closed_peers_get_their_answers(running: Running):
    with running.connect() as client:
        client.send(get(b"/later/1") + get(b"/later/2") + b"GET /part")
        client.socket.shutdown(socket.SHUT_WR)
        received = client.rest()
    assert received.count(b"HTTP/1.1 200") == 2
    with running.connect() as client:
        client.send(b"GET /part")
        client.socket.shutdown(socket.SHUT_WR)
        assert client.rest() == b""


def test_peers_that_vanish_while_waiting_are_forgotten(running: Running, app_requests):
    for _ in range(50):
        with running.connect() as client:
            client.send(get(b"/later") * 5)
            # RST instead of FIN.
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert happens(lambda: not running.server.connections)
    time.sleep(0.1)
    with running.connect() as client:
        assert client.send(get(b"/still", CLOSE)).rest().endswith(b"/still")


def test_a_fault_of_the_application_ends_its_connection_alone(running: Running):
    with running.connect() as other, running.connect() as client:
        other.send(get(b"/later/other"))
        client.send(get(b"/fault"))
        assert client.closed(20)
        assert other.until(b"/later/other").startswith(b"HTTP/1.1 200")


def test_a_thousand_idle_connections_do_not_matter(running: Running):
    clients = [running.connect() for _ in range(1000)]
    try:
        assert happens(lambda: len(running.server.connections) == 1000)
        clients[0].send(get(b"/first"))
        clients[-1].send(get(b"/last"))
        assert clients[0].until(b"/first")
        assert clients[-1].until(b"/last")
    finally:
        for client in clients:
            client.socket.close()
    assert happens(lambda: not running.server.connections)


SLOW = {
    "a head that never ends": b"GET /slow HTTP/1.1\r\nhost: ",
    "a body that never comes": b"POST /slow HTTP/1.1\r\ncontent-length: 5\r\n\r\nhel",
    "a chunk that never ends": b"POST /slow HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
}


@pytest.mark.parametrize("begun", SLOW.values(), ids=SLOW.keys())
def test_a_request_that_trickles_is_given_up(running: Running, app_requests, monkeypatch, begun: bytes):
    monkeypatch.setattr(protocol, "READ_TIMEOUT_SECONDS", 0.3)
    began = time.monotonic()
    with running.connect() as client:
        client.send(begun)
        client.socket.settimeout(0.05)
        received = b""
        while not received:
            try:
                client.send(b"a" if b"host" in begun else b"")
                received = client.socket.recv(65536)
            except TimeoutError:
                assert time.monotonic() - began < 20
        assert received.startswith(b"HTTP/1.1 408 ")
        assert client.closed(20)
    assert app_requests == []


def test_a_refused_peer_that_does_not_hang_up_is_cut_off(running: Running, monkeypatch):
    monkeypatch.setattr(protocol, "CLOSE_TIMEOUT_SECONDS", 0.2)
    with running.connect() as client:
        client.send(b"\0")
        assert client.rest().startswith(b"HTTP/1.1 400")
        assert happens(lambda: not running.server.connections)


def test_who_never_reads_is_not_read_from_and_then_cut_off(running: Running, app_requests, monkeypatch):
    monkeypatch.setattr(protocol, "WRITE_TIMEOUT_SECONDS", 0.4)
    with running.connect() as client:
        client.socket.settimeout(0.2)
        with pytest.raises((TimeoutError, ConnectionError)):
            while True:
                client.send(get(b"/big", padded(1000)) * 10)
        # One piece may hold a few hundred requests; after it nothing more is read.
        assert len(app_requests) < 1000
        assert happens(lambda: not running.server.connections)


def test_idle_connections_are_closed_and_waiting_ones_are_not():
    with serving() as running, running.connect() as idle, running.connect() as waiting:
        # From the next request on.
        running.server.idle_timeout_seconds = 0.3
        waiting.send(get(b"/never"))
        idle.send(get(b"/once"))
        assert idle.until(b"/once")
        assert idle.closed(20)
        assert not waiting.closed(0.5)


def test_a_question_without_an_answer_ends_with_its_connection(running: Running, monkeypatch):
    monkeypatch.setattr(protocol, "ANSWER_TIMEOUT_SECONDS", 0.3)
    with running.connect() as client:
        client.send(get(b"/once"), get(b"/never"), get(b"/once"))
        assert client.until(b"/once")
        assert client.closed(20)


def test_stopping_answers_what_was_taken_and_what_had_begun():
    with serving() as running:
        with running.connect() as waiting, running.connect() as begun, running.connect() as idle:
            waiting.send(get(b"/later/taken"))
            begun.send(b"GET /begun HTTP/1.1\r\n")
            idle.send(get(b"/idle")).until(b"/idle")
            assert happens(lambda: len(running.echo.asked) == 2)
            running.call(lambda: running.loop.create_task(running.server.stop(30)))
            assert idle.closed(20)
            begun.send(b"host: x\r\n\r\n")
            answers = waiting.rest(), begun.rest()
        assert [answer.rpartition(b"\r\n\r\n")[2] for answer in answers] == [b"/later/taken", b"/begun"]
        assert all(CLOSE in answer for answer in answers)


def test_stopping_does_not_wait_for_ever():
    with serving() as running, running.connect() as client:
        client.send(get(b"/never"))
        assert happens(lambda: len(running.echo.asked) == 1)
        running.stop(0.2)
        assert client.closed(20)


def test_whoever_comes_over_the_unix_socket_is_local(tmp_path):
    with serving(path=tmp_path / "gateway") as running, running.connect() as client:
        client.send(get(b"/local", CLOSE)).rest()
        assert running.echo.asked[0].local is True


@pytest.mark.parametrize("value", [b"a\r\nx-modules: all", b"a\n", b"a\r", b"\0"])
def test_a_value_that_would_end_its_line_is_no_header(value: bytes):
    with pytest.raises(ValueError, match="cannot carry"):
        format_header_line(b"x-key-name", value)
