"""Something that answers in the gateway's place, with whatever bytes a test wants."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class FakeGateway:
    port: int
    answer: bytes = b""
    delay: float = 0.0

    def says(self, status: int, *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", "Content-Length: 0", "Connection: close", *headers]
        self.answer = ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def fake_gateway() -> Iterator[FakeGateway]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fake = FakeGateway(listener.getsockname()[1])
        threading.Thread(target=_serve, args=(listener, fake), daemon=True).start()
        yield fake
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, fake: FakeGateway) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection, fake), daemon=True).start()


def _answer(connection: socket.socket, fake: FakeGateway) -> None:
    with connection:
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65536)
            if not piece:
                return
            received += piece
        time.sleep(fake.delay)
        try:
            connection.sendall(fake.answer)
        except OSError:
            return
