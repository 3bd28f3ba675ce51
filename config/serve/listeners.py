"""The sockets on which a plane listens. The supervisor owns them, so that no call is refused while processes are
replaced: each gunicorn inherits them."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Sequence

from django.conf import settings

from config.serve.planes import GATEWAY, PORTAL, Plane

# How many connections can wait to be accepted.
BACKLOG = {PORTAL: 256, GATEWAY: 2048}
# Only this user and its group can open the gateway's socket; whoever can is trusted as a proxy.
SOCKET_UMASK = 0o007
ListenAddress = tuple[str, int] | str


def list_ports(plane: Plane) -> list[tuple[str, list[str], int]]:
    """Return the plane's ports as (variable, addresses, port)."""
    if plane is PORTAL:
        return [("PORT", settings.BIND, settings.PORT)]
    ports = [] if settings.GATEWAY_SOCKET else [("GATEWAY_PORT", settings.GATEWAY_BIND, settings.GATEWAY_PORT)]
    if settings.METRICS_PORT:
        ports.append(("METRICS_PORT", settings.METRICS_BIND, settings.METRICS_PORT))
    return ports


def list_listen_addresses(plane: Plane) -> list[ListenAddress]:
    """Return where the plane listens: pairs of address and port, or the path of a Unix socket. The first one answers
    health checks."""
    listen_addresses: list[ListenAddress] = (
        [settings.GATEWAY_SOCKET] if plane is GATEWAY and settings.GATEWAY_SOCKET else []
    )
    return listen_addresses + [(address, port) for _, addresses, port in list_ports(plane) for address in addresses]


def format_listen_address(listen_address: ListenAddress) -> str:
    """Return an address with its port, or the path of a socket."""
    if isinstance(listen_address, str):
        return listen_address
    address, port = listen_address
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def open_listeners(plane: Plane) -> list[socket.socket]:
    """Open a socket for each listen address of the plane. Raise OSError."""
    listeners = []
    for listen_address in list_listen_addresses(plane):
        listener = _bind_path(listen_address) if isinstance(listen_address, str) else _bind_address(*listen_address)
        # A gateway's worker listens once it can answer (gateway_worker.py): until then connections are refused, so that
        # their proxies ask another host at once, instead of waiting for an answer that comes too late.
        if plane is not GATEWAY:
            listener.listen(BACKLOG[plane])
        listeners.append(listener)
    return listeners


def close_listeners(listeners: Sequence[socket.socket]) -> None:
    for listener in listeners:
        name = listener.getsockname()
        listener.close()
        if isinstance(name, str):
            with contextlib.suppress(OSError):
                os.unlink(name)


def find_taken_port(variable: str, addresses: Sequence[str], port: int) -> str | None:
    """Return the problem of listening on `port` of `addresses`, or None."""
    for address in addresses:
        try:
            _bind_address(address, port).close()
        except OSError as error:
            advice = f"stop what uses it, or set {variable} to another."
            if error.errno == errno.EADDRNOTAVAIL:
                advice = f"this machine has no address {address}."
            return f"{variable} {port} is not free on {address} ({error.strerror}): {advice}"
    return None


def _bind_address(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
    except OSError:
        listener.close()
        raise
    return listener


def _bind_path(path: str) -> socket.socket:
    """Bind a Unix socket, replacing one that a previous process left."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    umask = os.umask(SOCKET_UMASK)
    try:
        listener.bind(path)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener
