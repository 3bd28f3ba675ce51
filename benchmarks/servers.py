"""Servers to measure, each on a free port, with the CPU time of its workers."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.installation import ROOT

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    def workers(self) -> list[str]:
        """Return the pids of the workers, without the master that only supervises them."""
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()

    def cpu_seconds(self) -> float:
        """Return the CPU time that the workers have used so far."""
        fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.workers())
        return sum(int(field[11]) + int(field[12]) for field in fields) / TICK

    def memory(self) -> int:
        """Return the bytes of memory that only the workers use, shared memory excluded."""
        kilobytes = 0
        for pid in self.workers():
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            kilobytes += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
        return kilobytes * 1024

    def reset_peak_memory(self) -> int:
        """Reset `peak_memory`; return the bytes that the workers use now."""
        for pid in self.workers():
            # Resets the peak of resident memory (proc(5)).
            Path(f"/proc/{pid}/clear_refs").write_text("5")
        return self._status("VmRSS")

    def peak_memory(self) -> int:
        """Return the sum of the peak memory of each worker, in bytes."""
        return self._status("VmHWM")

    def _status(self, name: str) -> int:
        kilobytes = 0
        for pid in self.workers():
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            kilobytes += next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
        return kilobytes * 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def gateway(*, workers: int = 1, database: str = "") -> Iterator[Server]:
    """Run the gateway as `manage.py serve` starts it; `database` is the URL of another database than the embedded
    one."""
    port = free_port()
    arguments = [
        "-c",
        "python:config.serve.gunicorn_gateway",
        "--workers",
        str(workers),
        "config.serve.gateway:application",
    ]
    environment = {"GATEWAY_PORT": str(port)} | ({"DATABASE_URL": database} if database else {})
    with started(port, gunicorn(sys.executable, *arguments), environment, "/health/ready") as server:
        yield server


@contextmanager
def portal() -> Iterator[Server]:
    """Run the portal as `manage.py serve` starts it, with as many workers."""
    port = free_port()
    command = gunicorn(sys.executable, "-c", "python:config.serve.gunicorn_portal", "config.wsgi:application")
    with started(port, command, {"PORT": str(port)}, "/health/live") as server:
        yield server


@contextmanager
def peer(
    application: str, environment: dict[str, str], *, ready: str, python: str = sys.executable, worker: str = "sync"
) -> Iterator[Server]:
    """Run an application behind gunicorn with one worker."""
    port = free_port()
    arguments = ["--worker-class", worker, "--workers", "1", "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    # Keyward's settings, which a peer must not load.
    environment |= {"DJANGO_SETTINGS_MODULE": ""}
    with started(port, gunicorn(python, *arguments, application), environment, ready) as server:
        yield server


def gunicorn(python: str, *arguments: str) -> list[str]:
    return [python, "-m", "gunicorn", "--log-level", "error", *arguments]


NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
STATIC = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000;
    server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""


@contextmanager
def static_file() -> Iterator[Server]:
    """Run nginx with one worker and an empty file."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The worker runs as another user where root starts it.
        folder.chmod(0o755)
        (folder / "empty").touch(0o644)
        (folder / "conf").write_text(STATIC.format(folder=folder, port=port))
        command = [str(NGINX), "-c", str(folder / "conf"), "-e", "stderr", "-p", name]
        with started(port, command, {}, "/empty") as server:
            yield server


@contextmanager
def started(port: int, command: list[str], environment: dict[str, str], ready: str) -> Iterator[Server]:
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, start_new_session=True)
    try:
        _wait(process, port, ready)
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], port: int, path: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"the server on port {port} did not start")
