"""Gateways on two hosts, which are two addresses of this machine, over one PostgreSQL, and a proxy that asks both."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.gateways import free_port
from tests.installation import Installation
from tests.postgresql import Server, postgresql
from tests.waiting import wait_until

ADDRESSES = ("127.0.0.11", "127.0.0.12")
# Longer than deploy/two-hosts/haproxy.cfg needs to find out.
DELAY_SECONDS = 4
READY_SECONDS = 90


@dataclass
class GatewayHost:
    """`programs` has the command `keyward` that its next start runs."""

    address: str
    port: str
    programs: Path
    folder: Path
    _running: ExitStack = field(default_factory=ExitStack)
    _process: subprocess.Popen[str] = field(init=False)

    def start(self) -> None:
        environ = {
            "KEYWARD_ENV_FILE": str(self.folder / "gateway.env"),
            "KEYWARD_VAR": str(self.folder / "var"),
            "GATEWAY_BIND": self.address,
            "SHUTDOWN_DELAY_SECONDS": str(DELAY_SECONDS),
        }
        installation = Installation(self.programs, self.folder, {"GATEWAY_PORT": self.port})
        self._process = self._running.enter_context(installation.serve("gateway", **environ))
        wait_until(self.is_ready, seconds=READY_SECONDS, describe=installation.read_log)

    @property
    def code(self) -> str:
        """Return the folder that the gateway's process runs the code of."""
        pid = self._process.pid
        (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return os.readlink(f"/proc/{child}/cwd")

    @property
    def place(self) -> str:
        return f"{self.address}:{self.port}"

    def stop(self) -> None:
        """As a service is stopped: SIGTERM, and until it has ended."""
        self._running.close()

    def restart(self, rest_seconds: float) -> None:
        """And leave the proxy time to find it."""
        self.stop()
        self.start()
        time.sleep(rest_seconds)

    def is_ready(self) -> bool:
        with suppress(OSError):
            try:
                return urlopen(f"http://{self.address}:{self.port}/health/ready", timeout=5).status == 200
            except HTTPError as error:
                error.close()
        return False


@contextmanager
def initialised(programs: Path, folder: Path) -> Iterator[tuple[Installation, Server]]:
    """Yield an installation whose database has been migrated, and a PostgreSQL of its own."""
    with postgresql() as server:
        # The superuser comes by its socket.
        server.folder.chmod(0o711)
        new = Installation(programs, folder)
        assert new.run("init", "--database", f"localhost:{server.port}").returncode == 0
        _make_roles(server.superuser, folder)
        done = new.run("migrate", "--verbosity", "0")
        assert done.returncode == 0, done.stderr
        yield new, server


@contextmanager
def two_hosts(installation: Installation) -> Iterator[list[GatewayHost]]:
    """Yield two hosts that run the installation's gateway; they are stopped afterwards."""
    port = str(free_port())
    with ExitStack() as stack:
        hosts = []
        for address in ADDRESSES:
            folder = installation.folder / address
            folder.mkdir()
            (folder / "gateway.env").write_text((installation.folder / "gateway.env").read_text())
            (folder / "gateway.env").chmod(0o600)
            hosts.append(GatewayHost(address, port, installation.programs, folder))
            stack.callback(hosts[-1].stop)
        with ThreadPoolExecutor() as both:
            list(both.map(GatewayHost.start, hosts))
        yield hosts


def get_secret(installation: Installation) -> str:
    """Return what a proxy proves itself with."""
    environment = (installation.folder / "gateway.env").read_text()
    return re.findall(r"^GATEWAY_SECRETS=nginx:(\w+)", environment, re.MULTILINE)[0]


def build_call(token: str) -> bytes:
    return f"GET /customers HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Token {token}\r\n\r\n".encode()


def _make_roles(superuser: dict[str, str], folder: Path) -> None:
    command = ["psql", "--quiet", "--no-psqlrc", "--dbname", "postgres", "--file", str(folder / "roles.sql")]
    subprocess.run(command, env={"PATH": os.environ["PATH"]} | superuser, check=True, capture_output=True)
