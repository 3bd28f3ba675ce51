"""A PostgreSQL from the system's packages, as an installation has one: a superuser, passwords, a port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.gateways import free_port

# Debian keeps the servers beside each other, by version.
PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path

    @property
    def superuser(self) -> dict[str, str]:
        """The environment in which libpq's programs are the superuser."""
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "postgres"}


@contextmanager
def postgresql() -> Iterator[Server]:
    """Yield a new server in a folder of its own, gone afterwards; skips where there is none."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    programs, port = PROGRAMS[-1], free_port()
    folder = Path(tempfile.mkdtemp(prefix="keyward-postgresql-"))
    # PostgreSQL refuses to run as root.
    who = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    if who:
        shutil.chown(folder, "postgres")

    def run(*command: str) -> None:
        subprocess.run([*who, *command], check=True, capture_output=True, cwd="/")

    data = folder / "data"
    run(
        f"{programs}/initdb", "-D", f"{data}", "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-N"
    )
    options = f"-p {port} -k {folder} -c listen_addresses=localhost -c fsync=off"
    run(f"{programs}/pg_ctl", "-D", f"{data}", "-w", "-l", f"{folder}/log", "-o", options, "start")
    try:
        yield Server(port, folder)
    finally:
        run(f"{programs}/pg_ctl", "-D", f"{data}", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)
