"""gunicorn settings of the gateway: `gunicorn -c python:config.serve.gunicorn_gateway
config.serve.gateway:application`."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["KEYWARD_PLANE"] = "gateway"

from config.cpu_affinity import get_usable_cores
from config.serve.gunicorn_common import format_bind, logconfig_dict, on_starting, post_fork  # noqa: F401
from config.serve.listeners import BACKLOG, SOCKET_UMASK, list_places
from config.serve.planes import GATEWAY
from gateway.http.http_limits import IDLE_TIMEOUT_SECONDS

# A socket instead of the port: then the file's mode alone decides who may ask.
bind = [format_bind(place) for place in list_places(GATEWAY)]
umask = SOCKET_UMASK
worker_class = "config.serve.gateway_worker.GatewayWorker"
workers = max(2, len(get_usable_cores()) or os.cpu_count() or 2)
timeout = 30
graceful_timeout = 10
keepalive = int(IDLE_TIMEOUT_SECONDS)
backlog = BACKLOG[GATEWAY]
control_socket_disable = True
