"""Both planes behind PgBouncer in transaction mode, as deploy/pgbouncer/ configures it."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.docs.test_production import NAME, Person
from tests.gateways import Asker
from tests.installation import Installation, link_checkout
from tests.key_service import KeyService, key_service
from tests.load_clients import ask_until
from tests.pgbouncer import pgbouncer
from tests.postgresql import Server, postgresql

pytestmark = pytest.mark.full
SETTINGS = {
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "30s",
    "random_page_cost": "1.1",
    "synchronous_commit": "on",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgresql() as server:
        # The superuser comes by its socket.
        server.folder.chmod(0o711)
        yield server


@pytest.fixture(scope="module")
def installation(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An installation whose tables are made, without PgBouncer so far."""
    folder = tmp_path_factory.mktemp("pgbouncer")
    new = Installation(link_checkout(folder / "bin"), folder)
    options = ("--base-url", f"https://{NAME}", "--database", f"localhost:{server.port}")
    assert new.run("init", *options).returncode == 0
    psql(server, "--file", str(folder / "roles.sql"), database="postgres")
    assert new.run("migrate", "--verbosity", "0").returncode == 0
    return new


@pytest.fixture(scope="module")
def pooled(server: Server, installation: Installation) -> Iterator[int]:
    """The installation's DATABASE_URL leads to this PgBouncer; its owner's to the server."""
    with pgbouncer(server) as port:
        file = installation.folder / "keyward.env"
        text, count = re.subn(
            r"^DATABASE_URL=(.*)@localhost:\d+/", rf"DATABASE_URL=\1@127.0.0.1:{port}/", file.read_text(), flags=re.M
        )
        assert count == 1
        file.write_text(text)
        yield port


def psql(server: Server, *arguments: str, database: str = "keyward") -> str:
    command = ["psql", "--quiet", "--no-psqlrc", "-At", "-v", "ON_ERROR_STOP=1", "--dbname", database, *arguments]
    environment = {"PATH": os.environ["PATH"], **server.superuser}
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def console(installation: Installation, port: int, statement: str) -> str:
    """Return what PgBouncer's console says to the application's role."""
    password = re.findall(r"keyward_app:(\w+)@", (installation.folder / "keyward.env").read_text())[0]
    environment = {"PATH": os.environ["PATH"], "PGPASSWORD": password}
    command = ["psql", "-h", "127.0.0.1", "-p", str(port), "-U", "keyward_app", "-At", "-c", statement, "pgbouncer"]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def diagnose(installation: Installation, **environ: str) -> str:
    return installation.run("doctor", **environ).stdout


def test_the_role_gets_its_timeouts_by_a_command(installation: Installation, server: Server, pooled: int) -> None:
    assert "DATABASE_URL is behind PgBouncer" in diagnose(installation)
    psql(server, "-c", "ALTER DATABASE keyward SET synchronous_commit = off")
    message = diagnose(installation, PGBOUNCER="true")
    mend = "run manage.py configure_role, then RECONNECT in PgBouncer's console."
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        assert f"{name} is 0, and cannot be set through PgBouncer: {mend}" in message
    assert f"synchronous_commit is off, and calls would be answered before their rows are safe: {mend}" in message

    done = installation.run("configure_role", PGBOUNCER="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "keyward_app in keyward: statement_timeout = 15s\n" in done.stdout
    console(installation, pooled, "RECONNECT")
    message = diagnose(installation, PGBOUNCER="true")
    assert "configure_role" not in message
    assert "good   migrations and rights" in message
    # The owner's sessions, which migrate and maintain, have no limits.
    stored = "SELECT unnest(setconfig) FROM pg_db_role_setting JOIN pg_roles r ON r.oid = setrole WHERE rolname = '{}'"
    assert psql(server, "-c", stored.format("keyward_app")).splitlines() == [f"{n}={v}" for n, v in SETTINGS.items()]
    assert psql(server, "-c", stored.format("keyward_owner")) == ""


@pytest.fixture
def keys(installation: Installation, pooled: int) -> Iterator[KeyService]:
    file = installation.folder / "keyward.env"
    with key_service({"KEYWARD_ENV_FILE": str(file), "PGBOUNCER": "true"}, cwd=installation.folder) as service:
        yield service


@pytest.mark.quality(23)
def test_both_planes_work_behind_it(
    installation: Installation, pooled: int, keys: KeyService, full: bool, figure: Callable[[str], None]
) -> None:
    target = 20_000 if full else 1_000
    secret = re.findall(r"^GATEWAY_SECRETS=nginx:(\w+)", (installation.folder / "keyward.env").read_text(), re.M)[0]
    port = int(installation.ports["GATEWAY_PORT"])
    assert installation.run("collectstatic", "--verbosity", "0", PGBOUNCER="true").returncode == 0

    async def verify(token: str) -> tuple[int, str, str]:
        async with Asker(port, secret=secret) as asker:
            answer = await asker.verify(token, api="billing")
            return answer.status, answer.refusal, answer.headers["x-request-id"]

    (_, token), (revoked, other) = keys.make(2)
    with installation.serve(PGBOUNCER="true"):
        assert asyncio.run(verify(other))[0] == 200
        keys.disable(revoked)
        assert asyncio.run(verify(other))[:2] == (401, "key_disabled")
        status, _, request_id = asyncio.run(verify(token))
        assert (status, keys.missing([request_id])) == (200, [])
        question = Asker(port, secret=secret).question(token, api="billing")
        counted = asyncio.run(ask_until(port, question, lambda answers: answers >= target))
        assert set(counted) == {"200"}, counted
        pages = Person(installation.ports["PORT"])
        assert pages.ask("GET", "/health/ready")[0] == 200
        assert [pages.ask("GET", "/login/")[0] for _ in range(20)] == [200] * 20
    figure(f"PgBouncer in transaction mode: {target} calls, 0 failed")
