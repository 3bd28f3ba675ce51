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
# PostgreSQL refuses to run as root.
AS_SERVER = ("runuser", "-u", "postgres", "--") if os.geteuid() == 0 else ()


@dataclass(frozen=True)
class Server:
    port: int
    folder: Path

    @property
    def superuser(self) -> dict[str, str]:
        """The environment in which libpq's programs are the superuser."""
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port), "PGUSER": "postgres"}

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as the user that the server runs as, and as its superuser."""
        done = subprocess.run(
            [*AS_SERVER, f"{PROGRAMS[-1]}/{program}", *arguments],
            env={"PATH": os.environ["PATH"], **self.superuser},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            text=True,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}"
        return done.stdout

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=localhost -c fsync=off"
        self.run("pg_ctl", "-D", f"{self.data}", "-w", "-l", f"{self.folder}/log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", f"{self.data}", "-w", "-m", mode, "stop")

    def query(self, statement: str, database: str = "keyward") -> str:
        """Return what the superuser is answered: a line for each row, `|` between its columns."""
        options = ("--quiet", "--no-psqlrc", "-At", "-v", "ON_ERROR_STOP=1")
        return self.run("psql", *options, "--dbname", database, "-c", statement).rstrip("\n")

    @property
    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()


@contextmanager
def _new_server() -> Iterator[Server]:
    """Yield a server without data, in a folder of its own; it is stopped and gone afterwards."""
    if not PROGRAMS:
        pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="keyward-postgresql-"))
    if AS_SERVER:
        shutil.chown(folder, "postgres")
    server = Server(free_port(), folder)
    try:
        yield server
    finally:
        if server.is_running:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def postgresql() -> Iterator[Server]:
    """Yield a new server in a folder of its own, gone afterwards; skips where there is none."""
    with _new_server() as server:
        server.run(
            "initdb", "-D", f"{server.data}", "-U", "postgres", "--auth-local=trust", "--auth-host=scram-sha-256", "-N"
        )
        server.start()
        yield server


@contextmanager
def replica_of(primary: Server) -> Iterator[Server]:
    """Yield a new server that streams from the primary; gone afterwards."""
    with _new_server() as server:
        follow(server, primary)
        yield server


def follow(server: Server, primary: Server) -> None:
    """Copy the primary into the server's empty folder, and start it as a replica."""
    source = f"host={primary.folder} port={primary.port} user=postgres"
    primary.run("pg_basebackup", "-D", f"{server.data}", "-d", source, "-R", "-c", "fast")
    server.start()
