"""Connections of the portal's worker, when nothing more can be opened."""

from __future__ import annotations

import errno
import logging
import os
import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from typing import Any

import pytest
from gunicorn.config import Config
from structlog.testing import capture_logs

from config import request_limits
from config.serve.portal_worker import PortalWorker


class Listening:
    """A listening socket that gives `connections` and then has no descriptor for another."""

    def __init__(self, stack: ExitStack, connections: int) -> None:
        pairs = [socket.socketpair() for _ in range(connections)]
        self.clients = [stack.enter_context(client) for client, _ in pairs]
        self.accepted = [stack.enter_context(server) for _, server in pairs]
        self.error, self.address = errno.EMFILE, "203.0.113.7"

    def accept(self) -> tuple[socket.socket, tuple[str, int]]:
        if not self.accepted:
            raise OSError(self.error, os.strerror(self.error))
        return self.accepted.pop(0), (self.address, 50_000)

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 8000


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def worker(stack: ExitStack) -> PortalWorker:
    worker = PortalWorker(0, os.getpid(), [], None, 30, Config(), logging.getLogger("test"))
    stack.callback(worker.tmp.close)
    worker.poller = stack.enter_context(selectors.DefaultSelector())
    return worker


@pytest.mark.parametrize("error", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS])
def test_the_longest_waiting_gives_its_descriptor_away(stack: ExitStack, worker: PortalWorker, error: int) -> None:
    listening = Listening(stack, 3)
    listening.error = error
    with capture_logs() as lines:
        for _ in range(4):
            worker.accept(listening)  # type: ignore[arg-type]
    assert listening.clients[0].recv(1) == b""
    assert [conn.address for conn in worker.waiting] == ["203.0.113.7"] * 2
    assert worker.nr_conns == worker.addresses["203.0.113.7"] == 2
    detail = f"[Errno {error}] {os.strerror(error)}"
    assert lines == [{"event": "accept.failed", "log_level": "error", "detail": detail}]


def test_without_anybody_waiting_it_accepts_again_in_the_next_turn(stack: ExitStack, worker: PortalWorker) -> None:
    worker.accept(Listening(stack, 0))  # type: ignore[arg-type]
    assert worker.nr_conns >= worker.worker_connections
    worker.murder_pending()
    assert worker.nr_conns < worker.worker_connections


def test_a_connection_dropped_in_a_turn_is_not_counted_twice_by_its_own_event(
    stack: ExitStack, worker: PortalWorker
) -> None:
    listening = Listening(stack, 2)
    for _ in range(2):
        worker.accept(listening)  # type: ignore[arg-type]
    listening.clients[0].sendall(b"GET / HTTP/1.1\r\n")
    events = worker.poller.select(0)
    worker.accept(listening)  # type: ignore[arg-type]
    for key, _ in events:
        key.data(key.fileobj)
    assert (worker.nr_conns, dict(worker.addresses)) == (1, {"203.0.113.7": 1})


@pytest.mark.parametrize(
    ("address", "kept"), [("127.0.0.1", 3), ("::ffff:127.0.0.1", 3), ("::1", 3), ("203.0.113.7", 2), ("fe80::1%lo", 2)]
)
def test_a_trusted_proxy_has_more_connections_than_one_client(
    stack: ExitStack,
    worker: PortalWorker,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    kept: int,
) -> None:
    monkeypatch.setattr(request_limits, "MAX_CONNECTIONS_PER_ADDRESS", 2)
    settings.TRUSTED_PROXIES = (ip_network("127.0.0.1"), ip_network("::1"))
    listening = Listening(stack, 3)
    listening.address = address
    for _ in range(3):
        worker.accept(listening)  # type: ignore[arg-type]
    assert len(worker.waiting) == kept
