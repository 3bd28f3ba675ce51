"""gunicorn settings of the portal: `gunicorn -c python:config.serve.gunicorn_portal config.wsgi:application`."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config.serve.gunicorn_common import format_bind, logconfig_dict, on_starting, post_fork  # noqa: F401

bind = [format_bind(address, settings.PORT) for address in settings.BIND]
worker_class = "config.serve.portal_worker.PortalWorker"
workers = 2
threads = 8
# Loaded once and forked: a second worker costs no start-up time and little memory.
preload_app = True
timeout = 30
# Time for a running export to finish when the portal stops.
graceful_timeout = 60
# Keeps connections open; for how long is in config/request_limits.py.
keepalive = 15
max_requests = 10_000
max_requests_jitter = 1_000
backlog = 256
limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
# By default a client that gunicorn trusts may move the path by a SCRIPT_NAME header, and `X_Forwarded_For` is dropped
# silently; here a header with an underscore is refused.
forwarder_headers = ""
forwarded_allow_ips = ""
header_map = "refuse"
control_socket_disable = True
