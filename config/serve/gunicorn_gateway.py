"""gunicorn settings of the gateway: `gunicorn -c python:config.serve.gunicorn_gateway
config.serve.gateway:application`."""

from __future__ import annotations

import gc
import os
import socket
from importlib import import_module
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["KEYWARD_PLANE"] = "gateway"

import django
from django.db.migrations.loader import MigrationLoader
from gunicorn import sock

from config.cpu_affinity import get_usable_cores
from config.serve import gunicorn_common
from config.serve.gunicorn_common import format_bind, logconfig_dict, post_fork  # noqa: F401
from config.serve.listeners import BACKLOG, SOCKET_UMASK, list_listen_addresses
from config.serve.planes import GATEWAY
from gateway.http.http_limits import IDLE_TIMEOUT_SECONDS

# With a Unix socket instead of the port, only the file's mode decides who can connect.
bind = [format_bind(listen_address) for listen_address in list_listen_addresses(GATEWAY)]
umask = SOCKET_UMASK
worker_class = "config.serve.gateway_worker.GatewayWorker"
workers = max(2, len(get_usable_cores()) or os.cpu_count() or 2)
timeout = 30
graceful_timeout = 10
keepalive = int(IDLE_TIMEOUT_SECONDS)
backlog = BACKLOG[GATEWAY]
control_socket_disable = True


def on_starting(server: Any) -> None:
    gunicorn_common.on_starting(server)
    import_before_fork()
    if handed_over := os.environ.pop("GUNICORN_FD", ""):
        server.LISTENERS = [take_listener(int(descriptor), server) for descriptor in handed_over.split(",")]


def import_before_fork() -> None:
    """Import what the application imports, once for all workers: each then starts in a fraction of the time, and they
    share the memory. The application itself is each worker's own."""
    django.setup()
    for name in ("config.serve.end_overlap", "gateway.app"):
        import_module(name)
    MigrationLoader(None)
    # A collection that writes to each object would copy the memory that holds it.
    gc.freeze()


def take_listener(descriptor: int, server: Any) -> Any:
    """Return gunicorn's object for a socket of the supervisor, as gunicorn makes it but for listening."""
    with socket.socket(fileno=os.dup(descriptor)) as sock_copy:
        name, family = sock_copy.getsockname(), sock_copy.family
    kind = next(kind for kind in (sock.TCPSocket, sock.TCP6Socket, sock.UnixSocket) if family == kind.FAMILY)
    unopened = type(kind.__name__, (kind,), {"_is_listening": staticmethod(lambda _: True)})
    return unopened(name, server.cfg, server.log, fd=descriptor)
