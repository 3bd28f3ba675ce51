"""The restore drill: a dump is read into an empty database, and everything is as it was."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from psycopg.conninfo import conninfo_to_dict

from audit.calls.partitions import ensure_partitions
from config.embedded.launch import EmbeddedDatabaseError, find_wheel_folder
from core.permissions import Role
from keys.models import Key
from keys.services import CreatedKey, reveal
from tests.databases import empty_database, migrated_database
from tests.factories.accounts import a_user, an_account
from tests.factories.keys import a_billing_key, confirmed
from tests.gateways import ROOT, Asker, conninfo, free_port, gateway

KEYS, REVEALED = 100, 10


@pytest.fixture(autouse=True)
def own_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The installation that is saved, and lost."""
    with django_db_blocker.unblock(), migrated_database("saved"):  # type: ignore[attr-defined]
        yield


def program(name: str) -> str:
    try:
        return str(find_wheel_folder() / "pginstall" / "bin" / name)
    except EmbeddedDatabaseError:
        return name


def run(name: str, *arguments: str | Path) -> None:
    """One of PostgreSQL's programs on the present database, as its owner."""
    known = conninfo_to_dict(conninfo("maintenance"))
    environment = {f"PG{key.upper()}": str(known.get(key) or "") for key in ("host", "port", "user", "password")}
    environment |= {"PATH": os.environ["PATH"], "PGDATABASE": str(known["dbname"])}
    command = [program(name), "--dbname", str(known["dbname"]), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def lived() -> list[CreatedKey]:
    ensure_partitions()
    alice = a_user(an_account(), "alice", Role.ADMINISTRATOR)
    return [a_billing_key(alice, name=f"Robot {n}") for n in range(KEYS)]


def statuses(made: list[CreatedKey]) -> list[int]:
    async def ask(port: int) -> list[int]:
        async with Asker(port) as asker:
            return [(await asker.verify(each.token, api="billing")).status for each in made]

    with gateway() as running:
        return asyncio.run(ask(running.port))


def forget_connections() -> None:
    for each in connections.all():
        each.close()


def started(**environment: str) -> subprocess.CompletedProcess[str]:
    """Return what `serve` says and how it ends, when it does not start."""
    urls = {}
    for name, alias in (("DATABASE_URL", "default"), ("MAINTENANCE_DATABASE_URL", "maintenance")):
        known = {key: str(value) for key, value in conninfo_to_dict(conninfo(alias)).items() if value}
        urls[name] = f"postgresql:///{known.pop('dbname')}?{urlencode(known)}"
    ports = {"PORT": str(free_port()), "GATEWAY_PORT": str(free_port())}
    return subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT, env=os.environ | urls | ports | environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.quality(21)
def test_a_dump_in_an_empty_database_is_the_installation(tmp_path: Path, figure: Callable[[str], None]) -> None:
    made = lived()
    assert statuses(made[:1]) == [200]
    anchor, dump = tmp_path / "checkpoints.jsonl", tmp_path / "keyward.dump"
    call_command("audit_checkpoint", "--out", str(anchor))
    with connection.cursor() as cursor:
        # Every role may, and the owner could not read it.
        cursor.execute("SELECT lo_from_bytea(0, 'left by the application')")
    forget_connections()
    run("pg_dump", "--format=custom", "--no-blobs", "--file", dump)
    with empty_database("restored"):
        run("pg_restore", "--exit-on-error", dump)
        call_command("audit_verify", "--anchor", str(anchor))
        assert statuses(made) == [200] * KEYS
        alice = Key.objects.get(pk=made[0].key.pk).owner
        for each in made[:REVEALED]:
            key = Key.objects.get(pk=each.key.pk)
            assert reveal(key=key, by=confirmed(alice, "key.reveal", key.public_id)) == each.token
        # The trail goes on from where it was.
        call_command("audit_verify", "--anchor", str(anchor))
        forget_connections()
        refused = started(TOKEN_PEPPERS=f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}")
        assert refused.returncode == 1
        [line] = [line for line in refused.stderr.splitlines() if not line.startswith("The static files")]
        assert line.startswith("TOKEN_PEPPERS 1 is not the value that existing secrets were made with")
    figure(f"dump restored: chain and anchor good, {KEYS} keys verify, {REVEALED} reveal; not with another pepper")


@pytest.mark.quality(21)
def test_a_dump_from_before_the_anchor_is_found(tmp_path: Path) -> None:
    made = lived()[:1]
    anchor, dump = tmp_path / "checkpoints.jsonl", tmp_path / "keyward.dump"
    forget_connections()
    run("pg_dump", "--format=custom", "--no-blobs", "--file", dump)
    alice = made[0].key.owner
    reveal(key=made[0].key, by=confirmed(alice, "key.reveal", made[0].key.public_id))
    call_command("audit_checkpoint", "--out", str(anchor))
    with empty_database("restored"):
        run("pg_restore", "--exit-on-error", dump)
        call_command("audit_verify")
        with pytest.raises(CommandError):
            call_command("audit_verify", "--anchor", str(anchor))
