"""The gateway, set up. Of Django it uses the settings and the database's parameters, nothing else."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config.postgres.parameters import conninfo
from gateway.app import Gateway

application = Gateway(
    conninfo=conninfo("default"),
    peppers=settings.TOKEN_PEPPERS,
    secrets=settings.GATEWAY_SECRETS,
    trusted_proxies=settings.TRUSTED_PROXIES,
    pooled=settings.PGBOUNCER,
    metrics_port=settings.METRICS_PORT,
)
