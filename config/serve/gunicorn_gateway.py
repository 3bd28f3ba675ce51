"""gunicorn settings of the gateway: `gunicorn -c python:config.serve.gunicorn_gateway
config.serve.gateway:application`."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ["KEYWARD_PLANE"] = "gateway"

from django.conf import settings

from config.cpu_affinity import get_usable_cores
from config.serve.gunicorn_common import format_bind, logconfig_dict, on_starting, post_fork  # noqa: F401
from gateway.http.http_limits import IDLE_TIMEOUT_SECONDS

if settings.GATEWAY_SOCKET:
    # Instead of the port: then the file's mode alone decides who may ask.
    bind = [f"unix:{settings.GATEWAY_SOCKET}"]
else:
    bind = [format_bind(address, settings.GATEWAY_PORT) for address in settings.GATEWAY_BIND]
if settings.METRICS_PORT:
    bind += [format_bind(address, settings.METRICS_PORT) for address in settings.METRICS_BIND]
# Whoever can open the socket counts as an authenticated proxy: this user and its group only.
umask = 0o007
worker_class = "config.serve.gateway_worker.GatewayWorker"
workers = max(2, len(get_usable_cores()) or os.cpu_count() or 2)
timeout = 30
graceful_timeout = 10
keepalive = int(IDLE_TIMEOUT_SECONDS)
backlog = 2048
control_socket_disable = True
