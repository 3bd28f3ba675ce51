"""Receivers of webhooks for tests: real HTTP servers on 127.0.0.1, well-behaved, slow, dead and hostile ones."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

Respond = Callable[[socket.socket], None]


@dataclass
class Receiver:
    """A server: its URL, the requests that it read, and how it answers, which a test may change."""

    respond: Respond
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def bodies(self) -> list[bytes]:
        return [request.partition(b"\r\n\r\n")[2] for request in self.requests]

    def get_headers(self, name: str) -> list[str]:
        """Return the header of each request, in the order of arrival."""
        heads = [request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:] for request in self.requests]
        return [dict(line.lower().split(": ", 1) for line in lines)[name] for lines in heads]


def answering(status: int, *headers: str, body: bytes = b"") -> Respond:
    def respond(client: socket.socket) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
        client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return respond


def endless(sent: list[int]) -> Respond:
    """Answer 200 with a body that never ends; `sent` gets the bytes of each of its pieces."""

    def respond(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                client.sendall(b"x" * 65536)
                sent.append(65536)

    return respond


def endless_head(client: socket.socket) -> None:
    """Answer with headers that never end."""
    client.sendall(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            client.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")


@contextmanager
def serve(respond: Respond, *, certificate: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """Serve until the end of the block; with a certificate and its key, over TLS."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*certificate)
    receiver = Receiver(respond)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver.port = listener.getsockname()[1]
        thread = threading.Thread(target=_accept, args=(listener, context, receiver), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            receiver.stopped.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def hold(receiver: Receiver) -> Respond:
    """Answer nothing for as long as the server runs."""

    def respond(client: socket.socket) -> None:
        receiver.stopped.wait()

    return respond


def drip(receiver: Receiver) -> Respond:
    """Answer a byte every now and then, and never a whole head."""

    def respond(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not receiver.stopped.wait(0.1):
                client.sendall(b"x")

    return respond


def _accept(listener: socket.socket, context: ssl.SSLContext | None, receiver: Receiver) -> None:
    while not receiver.stopped.is_set():
        try:
            client, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve_one, args=(client, context, receiver), daemon=True).start()


def _serve_one(client: socket.socket, context: ssl.SSLContext | None, receiver: Receiver) -> None:
    with contextlib.suppress(OSError), client:
        sock = context.wrap_socket(client, server_side=True) if context else client
        with sock:
            receiver.requests.append(_read_request(sock))
            receiver.respond(sock)


def _read_request(sock: socket.socket) -> bytes:
    content = b""
    while b"\r\n\r\n" not in content:
        content += sock.recv(65536)
    head, _, body = content.partition(b"\r\n\r\n")
    length = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    while len(body) < length:
        body += sock.recv(65536)
    return head + b"\r\n\r\n" + body
