"""The commands of docs/production.md in their order, then a person in every page of the menu."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.docs.test_commands import BLOCK, ROOT, Shell
from tests.postgresql import postgresql

NAME = "keys.example.com"
MENU = [
    "/",
    "/keys/",
    "/ip-lists/",
    "/logs/",
    "/audit/",
    "/users/",
    "/settings/",
    "/profile/",
    "/keys/new/?api=billing",
]


class Person:
    """A browser behind a proxy that ends TLS."""

    def __init__(self, port: str) -> None:
        self.port = int(port)
        self.cookies: SimpleCookie = SimpleCookie()

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        headers = {
            "Host": NAME,
            "Referer": f"https://{NAME}/login/",
            "Cookie": cookies,
            "X-Forwarded-For": "203.0.113.9",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        for line in response.headers.get_all("Set-Cookie", []):
            self.cookies.load(line)
        connection.close()
        return response.status, text, dict(response.headers)


class OrdinaryShell(Shell):
    """Runs the document as an ordinary user in a checkout of theirs, without the packages, the settings and the rights
    of whoever runs the tests."""

    SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"

    def __init__(self, home: Path, user: str) -> None:
        self.root = home / "keyward"
        super().__init__(self.root)
        kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "LC_", "LANG"))}
        own = {"HOME": str(home), "PATH": self.SYSTEM_PATH}
        self.environment = kept | own | {"PORT": self.ports["8000"], "GATEWAY_PORT": self.ports["8001"]}
        if user:
            self.prefix = ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--")


@contextmanager
def ordinary_shell() -> Iterator[OrdinaryShell]:
    """Yield a shell of a user who is made for it if this is root, else of this one."""
    user = f"keyward-{os.getpid()}" if os.geteuid() == 0 else ""
    # Not in pytest's own folder, which nobody else may enter.
    home = Path(tempfile.mkdtemp(prefix="keyward-home-"))
    try:
        unwanted = shutil.ignore_patterns(".venv", "var", ".git", ".*_cache", "__pycache__")
        shutil.copytree(ROOT, home / "keyward", ignore=unwanted)
        if user:
            subprocess.run(["useradd", "--system", "--user-group", "--home-dir", home, user], check=True)
            subprocess.run(["chown", "--recursive", f"{user}:{user}", home], check=True)
        yield OrdinaryShell(home, user)
    finally:
        if user:
            subprocess.run(["userdel", user], check=False)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(params=["this-user", pytest.param("ordinary-user", marks=pytest.mark.full)])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    with ExitStack() as stack:
        ordinary = request.param == "ordinary-user"
        server = stack.enter_context(postgresql())
        # The superuser comes by its socket.
        server.folder.chmod(0o711)
        shell = stack.enter_context(ordinary_shell()) if ordinary else Shell(tmp_path)
        shell.ports["5432"] = str(server.port)
        shell.environment |= server.superuser
        yield shell


def test_an_installation_made_by_the_document_serves_every_page(shell: Shell) -> None:
    lines = []
    with ExitStack() as serving:
        for block in BLOCK.finditer((ROOT / "docs" / "production.md").read_text()):
            if block["ready"]:
                serving.enter_context(shell.serve(block["code"], block["ready"]))
            else:
                lines.append(shell.run(block["code"]))
        assert "System check identified no issues" in "".join(lines)
        if isinstance(shell, OrdinaryShell):
            assert shell.run("id -u").strip() == str((shell.root / ".venv").stat().st_uid) != "0"

        alice = Person(shell.ports["8000"])
        status, page, headers = alice.ask("GET", "/login/")
        assert (status, "max-age=" in headers["Strict-Transport-Security"]) == (200, True)
        for file in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
            assert alice.ask("GET", file)[0] == 200, file
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert token is not None
        password = (shell.var / "first.password").read_text().strip()
        signed_in = alice.ask(
            "POST", "/login/", csrfmiddlewaretoken=token[1], login="alice@example.com", password=password
        )
        assert signed_in[0] == 302
        pages = {path: alice.ask("GET", path) for path in MENU}
        assert {path: status for path, (status, _, _) in pages.items() if status != 200} == {}
        # The person's own address, as the proxy says it, and not the proxy's.
        assert "203.0.113.9" in pages["/audit/"][1]

        gateway = Person(shell.ports["8001"])
        assert gateway.ask("GET", "/health/ready")[0] == 200
