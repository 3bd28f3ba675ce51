"""`keyward health`: where it asks, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from config.env import Misconfigured
from config.installation import health


class Plane(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_live = self.path == "/health/live"
        self.send_response(200 if is_live else 503)
        self.end_headers()
        self.wfile.write(b"live\n" if is_live else b"the database does not answer\nmore")

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where both planes answer: they live, and are not ready."""
    with HTTPServer(("127.0.0.1", 0), Plane) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for name in ("PORT", "GATEWAY_PORT"):
            monkeypatch.setenv(name, str(server.server_port))
        yield server.server_port
        server.shutdown()
        thread.join()


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as ended:
        health.main(list(arguments), lambda: None)
    return ended.value.code


def test_it_ends_as_the_planes_answer(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    assert capsys.readouterr().out == "good   portal: live\ngood   gateway: live\n"
    assert run("live", "gateway") == 0
    assert run("ready", "portal") == 1
    assert capsys.readouterr().out.endswith("WRONG  portal: the database does not answer\n")


def test_a_plane_that_does_not_answer_is_wrong(
    port: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GATEWAY_SOCKET", "/nowhere/gateway.sock")
    assert run() == 1
    assert capsys.readouterr().out.splitlines()[0] == "good   portal: live"


def test_it_asks_where_the_plane_listens() -> None:
    assert health.find_listen_address("portal", {}) == ("127.0.0.1", 8000)
    assert health.find_listen_address("gateway", {"GATEWAY_BIND": "::,10.0.0.1", "GATEWAY_PORT": "81"}) == ("::", 81)
    assert health.find_listen_address("gateway", {"GATEWAY_SOCKET": "/run/g.sock"}) == "/run/g.sock"
    with pytest.raises(Misconfigured, match="PORT 'x' is not usable"):
        health.find_listen_address("portal", {"PORT": "x"})


@pytest.mark.parametrize("arguments", [["portals"], ["ready", "live"], ["portal", "ready"]])
def test_what_it_does_not_know_gets_its_usage(arguments: list[str]) -> None:
    assert "usage: keyward health" in str(run(*arguments))
