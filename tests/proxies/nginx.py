"""A real nginx that runs deploy/nginx/keyward.conf as it is, but for the three ports and the secret."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from examples.upstream import Handler, Server
from tests.gateways import ROOT, SECRET, free_port

PROGRAM = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
DEPLOY = ROOT / "deploy" / "nginx"


def configured(*, port: int, gateway: int, upstream: int) -> str:
    """The deployed file with the tests' ports. A port that is not there exactly once is a changed file: look again."""
    text = (DEPLOY / "keyward.conf").read_text()
    for deployed, tested in {
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "server 127.0.0.1:8001;": f"server 127.0.0.1:{gateway};",
        "server 127.0.0.1:9000;": f"server 127.0.0.1:{upstream};",
    }.items():
        assert text.count(deployed) == 1, deployed
        text = text.replace(deployed, tested)
    return text


@contextmanager
def nginx(*, gateway: int, upstream: int, secret: str = SECRET) -> Iterator[int]:
    """The port on which nginx listens. It is gone afterwards, and so is its folder."""
    assert PROGRAM is not None
    port = free_port()
    # The folder is this user's alone, and nginx's workers would be another if this is root.
    user = "user root;" if os.geteuid() == 0 else ""
    with tempfile.TemporaryDirectory(prefix="keyward-nginx-") as name:
        folder = Path(name)
        shutil.copy(DEPLOY / "nginx.conf", folder)
        (folder / "keyward.conf").write_text(configured(port=port, gateway=gateway, upstream=upstream))
        deployed_secret = (DEPLOY / "keyward-secret.conf").read_text()
        (folder / "keyward-secret.conf").write_text(deployed_secret.replace("CHANGE-ME", secret))
        process = subprocess.Popen(
            [PROGRAM, "-p", name, "-c", "nginx.conf", "-e", "error.log", "-g", f"daemon off; {user}"],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _wait_until_listening(process, port, folder / "error.log")
            yield port
        finally:
            process.terminate()
            process.communicate(timeout=10)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else ''}")


@contextmanager
def upstream() -> Iterator[int]:
    """The port of the example API, which says in its answers what reached it."""
    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield int(server.server_port)
        server.shutdown()
        thread.join()
