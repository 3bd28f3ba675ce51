"""gunicorn's settings for the portal: `gunicorn -c python:config.serve.gunicorn_portal config.wsgi:application`."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config.serve.gunicorn_common import format_bind, logconfig_dict, on_starting, post_fork  # noqa: F401

bind = [format_bind(address, settings.PORT) for address in settings.BIND]
worker_class = "config.serve.portal_worker.PortalWorker"
workers = 2
threads = 8
# Loaded once and forked: the second worker costs neither time nor memory.
preload_app = True
timeout = 30
# An export that is under way when the portal stops gets this long to finish.
graceful_timeout = 60
# How long is in config/request_limits.py; here only that connections are kept.
keepalive = 15
max_requests = 10_000
max_requests_jitter = 1_000
backlog = 256
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
# By default a client that gunicorn trusts may move the path by a SCRIPT_NAME header, and `X_Forwarded_For` is dropped
# in silence; a header with an underscore is refused instead.
forwarder_headers = ""
forwarded_allow_ips = ""
header_map = "refuse"
control_socket_disable = True
