"""A client that sends exactly the bytes it is given, because a polite one would not send what these tests send."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the header's only value."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def served(self) -> dict[str, Any]:
        """What reached the upstream."""
        assert self.reached_upstream, (self.status, self.body[:200])
        return self.json["received"]

    @property
    def reached_upstream(self) -> bool:
        return b'"received"' in self.body


def ask(
    port: int,
    target: str = "/customers",
    *,
    token: str | None = None,
    method: str = "GET",
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    raw: bytes = b"",
    host: str = "127.0.0.1",
    timeout: float = 10,
) -> Answer:
    """One request on a connection of its own. `target` goes into the request line in latin-1, unchanged; `raw` goes
    after the head as it is."""
    sent = [("Host", "api.example.com"), ("Connection", "close"), *headers]
    if token is not None:
        sent.append(("Authorization", f"Bearer {token}"))
    if body:
        sent.append(("Content-Length", str(len(body))))
    head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent) + "\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout, source_address=(host, 0)) as connection:
        connection.sendall(head.encode("latin-1") + body + raw)
        with closing(HTTPResponse(connection, method=method)) as response:
            response.begin()
            return Answer(response.status, response.getheaders(), response.read())
