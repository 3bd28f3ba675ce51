"""The configured gateway. It decides without Django models, which it needs for one change only: ending an overlap."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.utils.module_loading import import_string

from config.embedded.backend.parameters import build_conninfo
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
    # The last migration of each app, whose predecessors are applied with it.
    migrations=[".".join(last) for last in MigrationLoader(None).graph.leaf_nodes()],
)
