"""POST a webhook: to an address that was checked, within one deadline, and without following where the answer leads.

The standard library's HTTP client, because the address must be chosen here: a library that resolves the name itself
could be given another address than the one that was checked (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from functools import cache

from keys.notices.destinations import Address, Destination, Networks, NotAllowed, parse_destination, resolve

# For the name, the connection, TLS and the answer together.
TOTAL_TIMEOUT_SECONDS = 5.0
# What is read of an answer: its status decides, the rest is thrown away.
MAX_ANSWER_BYTES = 4096
MAX_ADDRESSES = 3


class NotSent(Exception):
    """The endpoint gave no answer; the text says why, without anything that it sent."""


@cache
def get_tls_context() -> ssl.SSLContext:
    """Return the system's certificate authorities, or those of SSL_CERT_FILE, and no TLS before 1.2."""
    return ssl.create_default_context()


def post(url: str, body: bytes, headers: Mapping[str, str], allowed: Networks) -> int:
    """Send the body and return the status of the answer. Raise NotSent.

    `allowed` are networks beside the public ones, and the only ones for http://.
    """
    deadline = time.monotonic() + TOTAL_TIMEOUT_SECONDS
    destination = parse_destination(url)
    try:
        addresses = resolve(destination, allowed, TOTAL_TIMEOUT_SECONDS)[:MAX_ADDRESSES]
        sock = _connect(destination, addresses, deadline)
    except (NotAllowed, OSError) as error:
        raise NotSent(_describe(error)) from error
    return _exchange(destination, sock, body, headers, deadline)


def _connect(destination: Destination, addresses: list[Address], deadline: float) -> socket.socket:
    """Return a connection to the first of the addresses that accepts one; the time is shared out among them."""
    for attempts_left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
        try:
            return socket.create_connection((str(address), destination.port), _get_remaining(deadline) / attempts_left)
        except OSError:
            if attempts_left == 1:
                raise
    raise OSError("The host has no address.")


def _exchange(
    destination: Destination, sock: socket.socket, body: bytes, headers: Mapping[str, str], deadline: float
) -> int:
    """Send the request and return the status; close the connection in any case."""
    expired, current = threading.Event(), sock

    def expire() -> None:
        # The timeout of a socket is for each read; a peer that sends a byte now and then would never end.
        expired.set()
        with contextlib.suppress(OSError):
            socket.socket.shutdown(current, socket.SHUT_RDWR)

    connection = http.client.HTTPConnection(destination.host, destination.port)
    connection.default_port = 443 if destination.scheme == "https" else 80
    connection.sock = sock
    timer = threading.Timer(_get_remaining(deadline), expire)
    timer.daemon = True
    timer.start()
    try:
        sock.settimeout(_get_remaining(deadline))
        if destination.scheme == "https":
            current = get_tls_context().wrap_socket(
                sock, server_hostname=destination.host, do_handshake_on_connect=False
            )
            connection.sock = current
            current.do_handshake()
        connection.request("POST", destination.target, body, dict(headers))
        response = connection.getresponse()
        if expired.is_set():
            # A head that was cut off reads as a whole one.
            raise TimeoutError
        status = response.status
        with contextlib.suppress(OSError, http.client.HTTPException):
            response.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotSent(_describe(TimeoutError() if expired.is_set() else error)) from error
    finally:
        timer.cancel()
        connection.close()
    return status


def _get_remaining(deadline: float) -> float:
    return max(0.001, deadline - time.monotonic())


def _describe(error: Exception) -> str:
    """Return the reason in words that hold nothing of the answer."""
    if isinstance(error, NotAllowed):
        return str(error)
    if isinstance(error, TimeoutError):
        return f"No answer within {TOTAL_TIMEOUT_SECONDS:g} seconds."
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {error.verify_message}."
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or 'no handshake'}."
    if isinstance(error, socket.gaierror):
        return "The host name has no address."
    if isinstance(error, http.client.HTTPException):
        return "The answer is not HTTP."
    if isinstance(error, OSError) and error.strerror:
        return f"The connection failed: {error.strerror}."
    return "The connection failed."
