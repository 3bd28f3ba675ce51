"""Ask a running plane for its health."""

from __future__ import annotations

import contextlib
import socket
from http.client import HTTPConnection, HTTPException

from config.serve.listeners import ListenAddress

# A server that listens on all addresses is asked on this one.
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not bound


def request(
    listen_address: ListenAddress, path: str, headers: dict[str, str], timeout_seconds: float
) -> tuple[int, str, str]:
    """Send a GET and return the status, the body and X-Refusal. Raise OSError or HTTPException if there is no
    answer."""
    connection = HTTPConnection("localhost", timeout=timeout_seconds)
    with contextlib.closing(connection):
        if isinstance(listen_address, str):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(timeout_seconds)
            connection.sock.connect(listen_address)
        else:
            address, port = listen_address
            connection.sock = socket.create_connection((WILDCARDS.get(address, address), port), timeout_seconds)
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read(65536).decode("utf-8", "replace"), response.headers.get("X-Refusal", "")


def is_ready(listen_address: ListenAddress, timeout_seconds: float = 0.5) -> bool:
    """Return whether the plane that listens at `listen_address` is ready."""
    try:
        return request(listen_address, "/health/ready", {}, timeout_seconds)[0] == 200
    except (HTTPException, OSError):
        return False
