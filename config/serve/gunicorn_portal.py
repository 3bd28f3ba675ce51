"""gunicorn settings of the portal: `gunicorn -c python:config.serve.gunicorn_portal config.wsgi:application`."""

from __future__ import annotations

import gc
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.db import connection

from config.portal_metrics import counters
from config.serve import gunicorn_common, ready_signal
from config.serve.gunicorn_common import format_bind, logconfig_dict, on_starting  # noqa: F401
from config.serve.listeners import BACKLOG, list_listen_addresses
from config.serve.planes import PORTAL

bind = [format_bind(listen_address) for listen_address in list_listen_addresses(PORTAL)]
worker_class = "config.serve.portal_worker.PortalWorker"
workers = 2
threads = 8
# The application is loaded once and forked, so that a second worker needs no start-up time and little memory.
preload_app = True
timeout = 30
# Time for running exports to finish when the portal stops.
graceful_timeout = 60
# Enables keep-alive; config/request_limits.py has the timeout.
keepalive = 15
max_requests = 10_000
max_requests_jitter = 1_000
backlog = BACKLOG[PORTAL]
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
# By default, a client that gunicorn trusts can set SCRIPT_NAME by a header, and `X_Forwarded_For` is silently dropped.
# Here no client is trusted, and headers with underscores are refused.
forwarder_headers = ""
forwarded_allow_ips = ""
header_map = "refuse"
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Before the first worker is forked, exempt what is loaded from garbage collections: one that writes to each object
    would copy the memory that the workers share."""
    gc.collect()
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    gunicorn_common.post_fork(server, worker)
    counters.use_row(worker.age)


def post_worker_init(worker: Any) -> None:
    """In a successor, raise RuntimeError if the portal is not ready, so that the new processes end and the previous
    ones go on."""
    if ready_signal.is_awaited():
        from config.health import check_readiness

        reason = check_readiness().reason_not_ready
        connection.close()
        if reason:
            raise RuntimeError(reason)
        ready_signal.announce_ready()
