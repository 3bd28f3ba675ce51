"""The checks of `keyward doctor` on this host: room on its disks, and its clock."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from django.conf import settings
from django.db import connection

# Where Debian keeps the data of a PostgreSQL on this host.
POSTGRESQL = Path("/var/lib/postgresql")
MIN_FREE_BYTES = 1024**3
# Codes of authenticator apps are valid for half a minute; the gateway gives up its estimate above as much.
MAX_CLOCK_DIFFERENCE_SECONDS = 2.0


def check_disks() -> list[str]:
    """Return the folders that are on a disk with little room, the first of each disk."""
    folders = {"KEYWARD_VAR": settings.VAR, "temporary files": Path(tempfile.gettempdir())}
    if settings.DATABASES["default"].get("HOST") in ("localhost", "127.0.0.1", "::1") and POSTGRESQL.exists():
        folders["PostgreSQL"] = POSTGRESQL
    problems: dict[int, str] = {}
    for name, folder in folders.items():
        status = os.statvfs(folder)
        free, size = status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize
        if free < MIN_FREE_BYTES:
            problems.setdefault(
                folder.stat().st_dev,
                f"The disk of {folder} ({name}) has {free // 1024**2} MB left of {size // 1024**2}: free space or "
                "enlarge it; PostgreSQL stops when its disk is full, and every call is refused.",
            )
    return list(problems.values())


def check_clock() -> list[str]:
    """Return whether this host's clock differs from the database's."""
    with connection.cursor() as cursor:
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        after = time.time()
        database = float(cursor.fetchone()[0])
    ahead = (before + after) / 2 - database
    if abs(ahead) <= MAX_CLOCK_DIFFERENCE_SECONDS + (after - before) / 2:
        return []
    side = "ahead of" if ahead > 0 else "behind"
    return [
        f"The clock of this host is {abs(ahead):.0f} s {side} the database's: synchronise both with NTP, for "
        "example by systemd-timesyncd (timedatectl status)."
    ]
