"""The gateway's application, configured by the settings. It uses Django's models only to end an overlap."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.utils.module_loading import import_string

from config.embedded.backend.parameters import build_conninfo
from config.serve import stop_notice
from gateway.app import Gateway

django.setup()
application = Gateway(
    conninfo=build_conninfo("default"),
    peppers=settings.TOKEN_PEPPERS,
    secrets=settings.GATEWAY_SECRETS,
    trusted_proxies=settings.TRUSTED_PROXIES,
    pooled=settings.PGBOUNCER,
    metrics_port=settings.METRICS_PORT,
    signing_keys=settings.SIGNING_KEYS,
    end_overlap=import_string("config.serve.end_overlap.end_overlap"),
    replica=build_conninfo("replica") if "replica" in settings.DATABASES else None,
    is_stopping=stop_notice.is_stopping,
    # The last migration of each app; its predecessors are applied before it.
    migrations=[".".join(last) for last in MigrationLoader(None).graph.leaf_nodes()],
)
