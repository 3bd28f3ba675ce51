"""`keyward doctor` names each mistake of an installation, and what would be right."""

from __future__ import annotations

import base64
import re
import secrets
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.gateways import free_port
from tests.installed import Installation, link_checkout
from tests.postgresql import Server, postgresql


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
    said = "\n".join(diagnose(installation))
    assert "CHECKPOINT_KEY is not set" in said
    assert "AUDIT_KEYS is not usable: it must be" in said
    assert "SEALING_KEYS holds a secret that TOKEN_PEPPERS holds too" in said
    assert "LOG_RETENTION_DAY is not a variable Keyward knows: it must be LOG_RETENTION_DAYS" in said
    assert "hunter2" not in said


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
    "check --deploy: BASE_URL is not https: passwords and sessions would travel in clear.",
    "database, application's role: PostgreSQL runs with fsync off and loses calls in a power cut: set fsync = on.",
]


@pytest.mark.full
def test_twenty_planted_mistakes_are_named_with_what_would_be_right(whole: tuple[Installation, Server]) -> None:
    installation, server = whole
    folder = installation.folder
    deadline = time.monotonic() + 60
    while diagnose(installation) != BEGINNING and time.monotonic() < deadline:
        time.sleep(1)
    assert diagnose(installation) == BEGINNING

    gateway = folder / "gateway.env"
    gateway.write_text(f"{gateway.read_text()}SEALING_KEYS=1:{key()}\n")
    change(gateway, "^TOKEN_PEPPERS=.*$", f"TOKEN_PEPPERS=1:{key()}")
    (folder / "var").chmod(0o755)
    (folder / "var" / "static" / "collected").write_text("of another version")
    nobody = str(free_port())
    url = re.findall("^DATABASE_URL=(.*)$", (folder / "keyward.env").read_text(), re.MULTILINE)[0]
    psql(
        server,
        *("-c", "GRANT DELETE ON audit_event TO keyward_app"),
        *("-c", "REVOKE INSERT ON accounts_account FROM keyward_app"),
        *("-c", "ALTER TABLE audit_event DISABLE TRIGGER ALL"),
        *("-c", "DELETE FROM audit_verification"),
        *("-c", drop_partitions()),
    )
    said = "\n".join(
        diagnose(
            installation,
            REPLICA_DATABASE_URL=url,
            EMAIL_URL=f"smtp://127.0.0.1:{nobody}",
            PGBOUNCER="true",
            BASE_URL=f"http://localhost:{nobody}",
            GATEWAY_SECRETS=f"nginx:{secrets.token_hex(32)}",
        )
    )
    for mistake in (
        "gateway.env has SEALING_KEYS, which a gateway must not have: delete the line.",
        "gateway.env has another TOKEN_PEPPERS than ",
        "has mode 755: nobody else may open it (chmod 700 ",
        "The static files are not those of this version: run manage.py collectstatic.",
        "lacks rights that Keyward needs, such as INSERT on accounts_account: run manage.py migrate",
        "The database has what the migrations did not make: right ",
        "The database no longer has: trigger ",
        "Next month has no partition of the API log: run maintain.",
        "maintain has never run: run it once an hour",
        "REPLICA_DATABASE_URL leads to a primary: it must be a replica",
        f"The mail server 127.0.0.1:{nobody} of EMAIL_URL does not take mail",
        "statement_timeout is not set, and cannot be through PgBouncer: ALTER ROLE keyward_app SET statement_timeout",
        f"BASE_URL http://localhost:{nobody} does not lead to the portal",
        "The gateway that runs does not accept nginx of GATEWAY_SECRETS: reload it",
    ):
        assert mistake in said, f"{mistake}\n\n{said}"

    gateway.chmod(0o644)
    psql(server, "-c", "ALTER ROLE keyward_app SUPERUSER", "-c", "DELETE FROM django_migrations WHERE app = 'audit'")
    said = "\n".join(
        diagnose(
            installation,
            MAINTENANCE_DATABASE_URL=re.sub("keyward_app:[^@]+", "keyward_owner:wrong", url),
            PORT=nobody,
            GATEWAY_PORT=str(free_port()),
        )
    )
    for mistake in (
        "gateway.env has mode 644: other users must not open it",
        "The role keyward_app of DATABASE_URL is a superuser and could change what is logged: ALTER ROLE keyward_app",
        "The database of MAINTENANCE_DATABASE_URL does not answer",
        "migrations are pending, the first is audit.",
        f"The portal does not answer at 127.0.0.1:{nobody}",
        "The gateway does not answer at 127.0.0.1:",
    ):
        assert mistake in said, (mistake, said)
    said = "\n".join(diagnose(installation, DATABASE_URL=url.replace(str(server.port), nobody)))
    assert "The database of DATABASE_URL does not answer" in said
    said = "\n".join(diagnose(installation, MAINTENANCE_DATABASE_URL=url))
    assert "The application is its database's owner and could change what is logged: set MAINTENANCE" in said


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
