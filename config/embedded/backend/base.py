"""Django's PostgreSQL backend, which starts the embedded server on the first connection."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.postgresql import base

from config.embedded.launch import EmbeddedDatabaseError
from config.embedded.server import Cluster


@cache
def get_cluster(folder: Path, *, fsync: bool = True) -> Cluster:
    """Return the cluster in `folder`; one object in each process, because it holds the process's lock."""
    return Cluster(folder, fsync=fsync)


def start_embedded_database() -> Cluster:
    """Start the cluster of these settings if it is not running, hold it for this process, and return it."""
    handle = get_cluster(settings.VAR / "postgres", fsync=settings.EMBEDDED_FSYNC)
    try:
        handle.join()
    except EmbeddedDatabaseError as error:
        raise OperationalError(str(error)) from error
    return handle


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return (
            start_embedded_database().get_connection_parameters(self.settings_dict["USER"])
            | super().get_connection_params()
        )
