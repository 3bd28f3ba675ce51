"""The commands of docs/production.md in their order, then a person in every page of the menu."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import ExitStack
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


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with postgresql() as server:
        shell = Shell(tmp_path)
        shell.ports["5432"] = str(server.port)
        shell.environment |= server.superuser
        yield shell


def test_an_installation_made_by_the_document_serves_every_page(shell: Shell) -> None:
    said = []
    with ExitStack() as serving:
        for block in BLOCK.finditer((ROOT / "docs" / "production.md").read_text()):
            if block["ready"]:
                serving.enter_context(shell.serve(block["code"], block["ready"]))
            else:
                said.append(shell.run(block["code"]))
        assert "System check identified no issues" in "".join(said)

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
