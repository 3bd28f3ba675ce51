"""`keyward doctor` names each mistake of an installation, and what would be right."""

from __future__ import annotations

import base64
import re
import secrets
import socketserver
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from tests.gateways import free_port
from tests.installation import Installation, link_checkout
from tests.postgresql import Server, postgresql
from tests.waiting import wait_until


def key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """Initialised, with the embedded database, and never started."""
    new = Installation(link_checkout(tmp_path / "bin"), tmp_path)
    assert new.run("init").returncode == 0
    return new


def diagnose(installation: Installation, **environ: str) -> list[str]:
    """Return what is wrong, a line each."""
    done = installation.run("doctor", **environ)
    assert done.stderr == ""
    wrong = [line.removeprefix("WRONG  ") for line in done.stdout.splitlines() if line.startswith("WRONG")]
    assert done.returncode == (1 if wrong else 0)
    return wrong


def change(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.MULTILINE)
    assert count
    path.write_text(text)


def test_mistakes_in_the_environment_file_are_named_together(installation: Installation) -> None:
    file = installation.folder / "keyward.env"
    good = file.read_text()
    file.chmod(0o644)
    assert diagnose(installation) == [
        "configuration: keyward.env has mode 644: other users must not open it, nor its group write it "
        "(chmod 600 keyward.env)."
    ]
    file.chmod(0o600)
    file.write_text(f"PORT = 8000\n{good}BASE_URL=http://localhost\n")
    twice = len(good.splitlines()) + 2
    assert diagnose(installation) == [
        "configuration: keyward.env:1 is not usable: "
        "it must be NAME=value, without spaces around the =, or a # comment.",
        f"configuration: keyward.env:{twice} BASE_URL is set twice: leave one of the lines out.",
    ]
    file.write_text(f"{good}LOG_RETENTION_DAY=7\nPORTT=1\n")
    change(file, "^CHECKPOINT_KEY=.*\n", "")
    change(file, "^AUDIT_KEYS=1:.*$", "AUDIT_KEYS=1:hunter2")
    change(file, "^TOKEN_PEPPERS=.*$", "TOKEN_PEPPERS=1:" + re.findall("^SEALING_KEYS=1:(.*)$", good, re.MULTILINE)[0])
    message = "\n".join(diagnose(installation))
    assert "CHECKPOINT_KEY is not set" in message
    assert "AUDIT_KEYS is not usable: it must be" in message
    assert "SEALING_KEYS holds a secret that TOKEN_PEPPERS holds too" in message
    assert "LOG_RETENTION_DAY is not a variable Keyward knows: it must be LOG_RETENTION_DAYS" in message
    assert "hunter2" not in message


class Proxy(BaseHTTPRequestHandler):
    """A misconfigured proxy of an API: it asks the gateway with another slug or secret, or another gateway."""

    gateway = 0
    # By the port that is called: the slug and the secret with which the gateway is asked; None asks nothing.
    faults: ClassVar[dict[int, tuple[str, str] | None]] = {}

    def do_GET(self) -> None:
        fault = self.faults[self.request.getsockname()[1]]
        status, refusal, request_id = 401, "invalid_credentials", str(uuid.uuid4())
        if fault is not None:
            slug, secret = fault
            connection = HTTPConnection("127.0.0.1", self.gateway, timeout=30)
            with closing(connection):
                headers = {"X-Gateway-Secret": secret, "X-Original-Method": "GET", "X-Original-Uri": self.path}
                connection.request("GET", f"/v1/verify/{slug}", headers=headers | {"X-Forwarded-For": "203.0.113.9"})
                response = connection.getresponse()
                status, refusal = response.status, response.headers["X-Refusal"]
                request_id = response.headers.get("X-Request-Id", "")
        self.send_response(status)
        self.send_header("X-Refusal", refusal)
        self.send_header("X-Request-Id", request_id)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


class OpenApi(Proxy):
    """An API that anybody reaches."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


@contextmanager
def proxies(gateway: int, secret: str) -> Iterator[dict[str, int]]:
    """Yield the port of a proxy for each preset, each with a fault."""
    Proxy.gateway = gateway
    faults: dict[str, tuple[str, str] | None] = {
        "billing": ("billing", "0" * 64),
        "lms-call-logic": ("no-such-api", secret),
        "lynx": ("billing", secret),
        "sip-caller": None,
        "cloud-pbx": None,
    }
    with ExitStack() as stack:
        ports = {}
        for slug, fault in faults.items():
            handler = OpenApi if slug == "cloud-pbx" else Proxy
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler))
            ports[slug] = server.server_address[1]
            Proxy.faults[ports[slug]] = fault
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield ports


class MailServer(socketserver.StreamRequestHandler):
    """Greets, and says goodbye to whatever comes."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 yes\r\n")


@contextmanager
def mail_server() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), MailServer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def psql(server: Server, *arguments: str, database: str = "keyward") -> None:
    command = ["psql", "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "--dbname", database, *arguments]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", **server.superuser}, check=True, capture_output=True)


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[tuple[Installation, Server]]:
    """An installation on a PostgreSQL of its own, that serves."""
    new = Installation(link_checkout(tmp_path / "bin"), tmp_path)
    with postgresql() as server, mail_server() as mail:
        # The superuser comes by its socket.
        server.folder.chmod(0o711)
        address = f"http://localhost:{new.ports['PORT']}"
        options = ("--database", f"localhost:{server.port}", "--email-url", f"smtp://127.0.0.1:{mail}")
        assert new.run("init", "--base-url", address, *options).returncode == 0
        psql(server, "--file", str(tmp_path / "roles.sql"), database="postgres")
        assert new.run("migrate", "--verbosity", "0").returncode == 0
        assert new.run("collectstatic", "--verbosity", "0").returncode == 0
        with new.serve():
            yield new, server


# What the trial of this test has not: a proxy that ends TLS, and a disk that is waited for.
BEGINNING = [
    "check --deploy: BASE_URL is not https: passwords and sessions would be sent in clear text.",
    "database, application's role: PostgreSQL runs with fsync off and would lose calls in a power failure: set fsync = "
    "on.",
]


@dataclass
class Doctor:
    """What `keyward doctor` says of an installation, and what of it was expected."""

    installation: Installation
    server: Server
    named: list[str]

    @property
    def folder(self) -> Path:
        return self.installation.folder

    def get_variable(self, name: str) -> str:
        return re.findall(f"^{name}=(.*)$", (self.folder / "keyward.env").read_text(), re.MULTILINE)[0]

    def run_sql(self, *statements: str) -> None:
        psql(self.server, *(part for statement in statements for part in ("-c", statement)))

    def expect(self, *mistakes: str, **environ: str) -> None:
        """Have it look, with more in its environment, and assert that it names these mistakes."""
        text = "\n".join(diagnose(self.installation, **environ))
        for mistake in mistakes:
            assert mistake in text, f"{mistake}\n\n{text}"
        self.named.extend(mistakes)


@pytest.mark.full
@pytest.mark.quality(29)
def test_planted_mistakes_are_named_with_what_would_be_right(
    whole: tuple[Installation, Server], figure: Callable[[str], None]
) -> None:
    doctor = Doctor(*whole, named=list(BEGINNING))
    installation = doctor.installation
    wait_until(lambda: diagnose(installation) == BEGINNING, seconds=60, describe=lambda: diagnose(installation))
    plant_proxies_and_clock(doctor)
    plant_files_rights_and_tables(doctor)
    plant_roles_and_migrations(doctor)
    assert len(set(doctor.named)) == 31
    figure(
        f"keyward doctor names {len(doctor.named)} planted mistakes of an installation that runs, each with its mend"
    )


def plant_proxies_and_clock(doctor: Doctor) -> None:
    """Each proxy of an API has a fault, and the host's clock is ahead; then as before."""
    installation = doctor.installation
    user = ("create_account", "acme", "Acme", "a@b.example", "Al")
    assert installation.run(*user, stdin="a long password\n").returncode == 0
    secret = doctor.get_variable("GATEWAY_SECRETS").removeprefix("nginx:")
    with proxies(int(installation.ports["GATEWAY_PORT"]), secret) as ports:
        ports["textpeak"] = free_port()
        at = {slug: f"The proxy of {slug} at http://127.0.0.1:{port}" for slug, port in ports.items()}
        for slug, port in ports.items():
            assert installation.run("enable_api", slug, "acme").returncode == 0
            doctor.run_sql(f"UPDATE keys_api SET request_link = 'http://127.0.0.1:{port}' WHERE slug = '{slug}'")
        doctor.run_sql(CLOCK)
        doctor.expect(
            f"{at['billing']} does not send a secret of GATEWAY_SECRETS: put",
            f"{at['lms-call-logic']} asks for an API that does not exist",
            f"{at['lynx']} asks for billing: it must ask for lynx.",
            f"{at['sip-caller']} asks another gateway: its call is not in",
            f"{at['cloud-pbx']} answers 200 to a call without a key and did",
            f"{at['textpeak']} does not answer (",
            "The clock of this host is 9 s ahead of the database's: synchronise both with NTP",
        )
    doctor.run_sql("UPDATE keys_api SET request_link = ''", "ALTER ROLE keyward_app RESET search_path")


def plant_files_rights_and_tables(doctor: Doctor) -> None:
    """Wrong files, rights and tables; and a configuration that leads to nothing, or to what is wrong."""
    gateway = doctor.folder / "gateway.env"
    gateway.write_text(f"{gateway.read_text()}SEALING_KEYS=1:{key()}\n")
    change(gateway, "^TOKEN_PEPPERS=.*$", f"TOKEN_PEPPERS=1:{key()}")
    (doctor.folder / "var").chmod(0o755)
    (doctor.folder / "var" / "static" / "collected").write_text("of another version")
    doctor.run_sql(
        "GRANT DELETE ON audit_event TO keyward_app",
        "REVOKE INSERT ON accounts_account FROM keyward_app",
        "ALTER TABLE audit_event DISABLE TRIGGER ALL",
        "DELETE FROM audit_verification",
        drop_partitions(),
    )
    nobody = str(free_port())
    doctor.expect(
        "gateway.env has SEALING_KEYS, which a gateway must not have: delete the line.",
        "gateway.env has another TOKEN_PEPPERS than ",
        "has mode 755: nobody else may open it (chmod 700 ",
        "The static files are not those of this version: run manage.py collectstatic.",
        "lacks rights that Keyward needs, such as INSERT on accounts_account: run manage.py migrate",
        "The database has what the migrations did not make: right ",
        "The database no longer has: trigger ",
        "Next month has no partition of the API log: run manage.py maintain.",
        "maintain has never run: run it once an hour",
        "REPLICA_DATABASE_URL leads to a primary: it must be a replica",
        f"The mail server 127.0.0.1:{nobody} of EMAIL_URL does not take mail",
        "statement_timeout is 0, and cannot be set through PgBouncer: run manage.py configure_role, then RECONNECT",
        f"BASE_URL http://localhost:{nobody} does not lead to the portal",
        "The running gateway does not accept nginx of GATEWAY_SECRETS: reload it",
        REPLICA_DATABASE_URL=doctor.get_variable("DATABASE_URL"),
        EMAIL_URL=f"smtp://127.0.0.1:{nobody}",
        PGBOUNCER="true",
        BASE_URL=f"http://localhost:{nobody}",
        GATEWAY_SECRETS=f"nginx:{secrets.token_hex(32)}",
    )


def plant_roles_and_migrations(doctor: Doctor) -> None:
    """Roles that may too much, migrations that are pending, planes and a database that do not run."""
    url, nobody = doctor.get_variable("DATABASE_URL"), str(free_port())
    (doctor.folder / "gateway.env").chmod(0o644)
    doctor.run_sql("ALTER ROLE keyward_app SUPERUSER", "DELETE FROM django_migrations WHERE app = 'audit'")
    doctor.expect(
        "gateway.env has mode 644: other users must not open it",
        "The role keyward_app of DATABASE_URL is a superuser and could change what is logged: ALTER ROLE keyward_app",
        "The database of MAINTENANCE_DATABASE_URL does not answer",
        "migrations are pending, the first is audit.",
        f"The portal does not answer at 127.0.0.1:{nobody}",
        "The gateway does not answer at 127.0.0.1:",
        MAINTENANCE_DATABASE_URL=re.sub("keyward_app:[^@]+", "keyward_owner:wrong", url),
        PORT=nobody,
        GATEWAY_PORT=str(free_port()),
    )
    elsewhere = url.replace(str(doctor.server.port), nobody)
    doctor.expect("The database of DATABASE_URL does not answer", DATABASE_URL=elsewhere)
    doctor.expect(
        "The application is its database's owner and could change what is logged: set MAINTENANCE",
        MAINTENANCE_DATABASE_URL=url,
    )


# For the application's role this host's clock is ahead.
CLOCK = """
    CREATE SCHEMA planted;
    CREATE FUNCTION planted.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT pg_catalog.clock_timestamp() - interval '9 s' $$;
    GRANT USAGE ON SCHEMA planted TO keyward_app;
    ALTER ROLE keyward_app SET search_path = planted, pg_catalog, public;
"""


@pytest.mark.full
def test_a_disk_without_room_is_named(installation: Installation) -> None:
    place = installation.folder / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        findings = diagnose(installation, TMPDIR=str(place))
    finally:
        subprocess.run(["umount", place], check=True)
    assert f"disks: The disk of {place} (temporary files) has 4 MB left of 4: free space or enlarge it;" in "\n".join(
        findings
    )


def drop_partitions() -> str:
    """Return the statement that drops the partitions of the months to come."""
    return """
        DO $$ DECLARE partition regclass; BEGIN
            FOR partition IN SELECT inhrelid FROM pg_inherits WHERE inhparent = 'audit_call'::regclass
                AND inhrelid::regclass::text > 'audit_call_' || to_char(now(), 'YYYY_MM')
                AND inhrelid::regclass::text <> 'audit_call_default'
            LOOP EXECUTE 'DROP TABLE ' || partition; END LOOP;
        END $$
    """
