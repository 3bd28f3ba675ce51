"""The portal behind the real nginx and Caddy of deploy/: whole requests, TLS, the client's own address."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from config import request_limits
from keys.decision.addresses import get_client_address
from tests import echo_server
from tests.gateways import free_port
from tests.proxies import caddy, nginx
from tests.proxies.program import DEPLOY, changed, folder, running

NAME = "keys.example.com"
# A client that is not this machine's proxy, and yet can be reached.
CLIENT = "127.0.0.2"


def certify(where: Path) -> None:
    """Return a certificate of the portal's name, in the files that portal.conf names."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (where / "certificate.key").write_bytes(key.private_bytes(*form))
    (where / "certificate.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@contextmanager
def behind_nginx(portal: int) -> Iterator[int]:
    port, user = free_port(), "user root;" if os.geteuid() == 0 else ""
    with folder("nginx") as where:
        certify(where)
        for unchanged in ("nginx.conf", "keyward-portal.conf"):
            shutil.copy(DEPLOY / "nginx-portal" / unchanged, where)
        ports = {
            "listen 8443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "server 127.0.0.1:8000;": f"server 127.0.0.1:{portal};",
        }
        (where / "portal.conf").write_text(changed((DEPLOY / "nginx-portal" / "portal.conf").read_text(), ports))
        command = [str(nginx.PROGRAM), "-p", str(where), "-c", "nginx.conf", "-e", "error.log"]
        with running([*command, "-g", f"daemon off; {user}"], where, port):
            yield port


@contextmanager
def behind_caddy(portal: int) -> Iterator[int]:
    port = free_port()
    with folder("caddy") as where:
        certify(where)
        site = f"https://{NAME}:{port} {{\n\tbind 127.0.0.1\n\ttls certificate.pem certificate.key\n"
        changes = {
            f"\n{NAME} {{\n": f"\n{site}",
            "\tadmin off\n": "\tadmin off\n\tauto_https off\n",
            "reverse_proxy 127.0.0.1:8000": f"reverse_proxy 127.0.0.1:{portal}",
        }
        (where / "Caddyfile").write_text(changed((DEPLOY / "caddy-portal" / "Caddyfile").read_text(), changes))
        own = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(where))
        command = [str(caddy.PROGRAM), "run", "--config", "Caddyfile"]
        with running(command, where, port, os.environ | own):
            yield port


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    program, serve = {"nginx": (nginx.PROGRAM, behind_nginx), "caddy": (caddy.PROGRAM, behind_caddy)}[request.param]
    if program is None:
        pytest.skip(f"{request.param} is not installed")
    with echo_server.serve() as portal, serve(portal) as port:
        yield port


def connected(port: int) -> ssl.SSLSocket:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), 20, (CLIENT, 0))
    return context.wrap_socket(plain, server_hostname=NAME)


def ask(port: int, method: str, path: str, body: bytes = b"", **fields: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(NAME)
    connection.sock = connected(port)
    connection.request(method, path, body, {"Host": NAME} | {name.replace("_", "-"): v for name, v in fields.items()})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def test_the_portal_sees_the_clients_own_address_whatever_the_client_says(port: int) -> None:
    spoofed: dict[str, Any] = {"X_Forwarded_For": "203.0.113.66, 127.0.0.1", "X_Forwarded_Host": "evil.example"}
    response = ask(port, "GET", "/", **spoofed)
    assert (response.status, response.headers["X-Seen-Host"]) == (200, NAME)
    assert not response.headers["X-Seen-Forwarded-Host"]
    seen = get_client_address("127.0.0.1", response.headers["X-Forwarded"], (ip_network("127.0.0.1"),))
    assert str(seen) == CLIENT
    assert response.headers.get_all("Strict-Transport-Security") == ["max-age=31536000"]


def test_a_body_that_is_too_long_ends_at_the_proxy(port: int) -> None:
    assert ask(port, "POST", "/login/", b"a" * (request_limits.MAX_ANONYMOUS_BODY_BYTES + 1)).status == 413
    assert ask(port, "POST", "/keys/new/", b"a" * (request_limits.MAX_BODY_BYTES + 1)).status == 413
    for path, size in (
        ("/login/", 60_000),
        ("/keys/new/", request_limits.MAX_BODY_BYTES - 4096),
        ("/admin/keys/api/", 5_000_000),
    ):
        response = ask(port, "POST", path, b"a" * size)
        assert (response.status, response.headers["X-Read"]) == (200, str(size))


def test_slow_clients_hold_nobody_up(port: int) -> None:
    with ExitStack() as stack:
        # nginx gives an address 32 connections; these keep to that.
        slow = [stack.enter_context(connected(port)) for _ in range(28)]
        for number, sock in enumerate(slow):
            head = f"POST /login/ HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000\r\n\r\na"
            sock.sendall(head[: 20 if number % 2 else None].encode())
        for _ in range(3):
            began = time.monotonic()
            assert ask(port, "GET", "/").status == 200
            assert time.monotonic() - began < request_limits.HEAD_TIMEOUT_SECONDS / 2
