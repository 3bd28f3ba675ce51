"""A real PgBouncer that runs deploy/pgbouncer/ as it is, but for addresses, ports and the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateways import free_port
from tests.postgresql import Server
from tests.proxies.program import DEPLOY, changed, find, folder, running

PROGRAM = find("pgbouncer")


def write_userlist(path: Path, server: Server) -> None:
    """Write what the server stores of the application's password, as deploy/pgbouncer/ says it."""
    statement = "SELECT format('\"%s\" \"%s\"', rolname, rolpassword) FROM pg_authid WHERE rolname = 'keyward_app'"
    environment = {"PATH": os.environ["PATH"], **server.superuser}
    done = subprocess.run(
        ["psql", "-Atc", statement, "postgres"], env=environment, check=True, capture_output=True, text=True
    )
    path.write_text(done.stdout)


@contextmanager
def pgbouncer(server: Server) -> Iterator[int]:
    """Yield the port of a PgBouncer before the server; skips where there is none."""
    if PROGRAM is None:
        pytest.skip("PgBouncer is not installed (Debian: pgbouncer)")
    port = free_port()
    with folder("pgbouncer") as where:
        write_userlist(where / "userlist.txt", server)
        places = {
            "host=127.0.0.1 port=5432": f"host=127.0.0.1 port={server.port}",
            "listen_port = 6432": f"listen_port = {port}",
            "/etc/pgbouncer/userlist.txt": f"{where}/userlist.txt",
        }
        (where / "pgbouncer.ini").write_text(changed((DEPLOY / "pgbouncer" / "pgbouncer.ini").read_text(), places))
        command = [PROGRAM, "pgbouncer.ini"]
        if os.geteuid() == 0:
            # It refuses to run as root.
            for path in (where, *where.iterdir()):
                shutil.chown(path, "postgres")
            command = ["runuser", "-u", "postgres", "--", *command]
        with running(command, where, port):
            yield port
