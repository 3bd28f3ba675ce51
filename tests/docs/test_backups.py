"""The commands of docs/backups.md in their order: a table is lost, and the database restored to the moment before."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.test_commands import BLOCK, ROOT
from tests.gateways import Asker
from tests.installation import Installation, link_checkout
from tests.key_service import key_service
from tests.postgresql import AS_SERVER, PROGRAMS, Server, postgresql
from tests.waiting import wait_until

PATIENCE = 120.0
ALLOWED, UNAVAILABLE, DISABLED = (200, ""), (403, "unavailable"), (401, "key_disabled")


def read_commands() -> list[str]:
    return [block["code"] for block in BLOCK.finditer((ROOT / "docs" / "backups.md").read_text())]


def run(server: Server, code: str, moment: str = "") -> None:
    """Run a block as the user postgres, in this test's folders."""
    for documented, tested in {
        "/var/backups/keyward": f"{server.folder}/backups",
        "/var/lib/postgresql/15": str(server.folder),
        "2026-11-29 12:00:00+00": moment,
    }.items():
        code = code.replace(documented, tested)
    environment = {"PATH": f"{PROGRAMS[-1]}:{os.environ['PATH']}", **server.superuser}
    done = subprocess.run(
        [*AS_SERVER, "bash", "-euo", "pipefail", "-c", code],
        env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\n{done.stdout}"


def wait_for(what: Callable[[], bool], describe: Callable[[], str] = str) -> None:
    wait_until(what, seconds=PATIENCE, describe=describe)


def initialise(new: Installation, server: Server) -> str:
    """Make the tables of a new installation on the server; return the gateway's secret."""
    assert new.run("init", "--database", f"localhost:{server.port}").returncode == 0
    roles = server.folder / "roles.sql"
    roles.write_text((new.folder / "roles.sql").read_text())
    roles.chmod(0o644)
    server.run("psql", "--quiet", "--dbname", "postgres", "-f", str(roles))
    assert new.run("migrate", "--verbosity", "0").returncode == 0
    environment = (new.folder / "keyward.env").read_text()
    return environment.partition("\nGATEWAY_SECRETS=nginx:")[2].split("\n")[0]


def build_verify(port: int, secret: str) -> Callable[[str], tuple[int, str, str]]:
    """Return a function that asks the gateway about a token, for its status, refusal and request ID."""

    def verify(token: str) -> tuple[int, str, str]:
        async def ask() -> tuple[int, str, str]:
            async with Asker(port, secret=secret) as asker:
                answer = await asker.verify(token, api="billing")
                return answer.status, answer.refusal, answer.headers.get("x-request-id", "")

        return asyncio.run(ask())

    return verify


def make_checkpoint(new: Installation, name: str) -> Path:
    file = new.folder / name
    assert new.run("audit_checkpoint", "--out", str(file)).returncode == 0
    return file


def drop_a_table(server: Server) -> None:
    """Drop a table and stop the server once the archive has all that was written."""
    server.query("DROP TABLE keys_secret CASCADE")
    server.query("SELECT pg_switch_wal()")
    last = server.query("SELECT pg_walfile_name(pg_switch_wal())")
    wait_for(lambda: server.query("SELECT last_archived_wal FROM pg_stat_archiver") >= last)
    server.stop("fast")


def restore_to(moment: str, server: Server, code: str) -> float:
    """Run the documented restore and start the server on it; return the seconds until it can be written."""
    began = time.monotonic()
    run(server, code, moment)
    server.data.rename(server.folder / "lost")
    (server.folder / "restored").rename(server.data)
    server.start()
    wait_for(lambda: server.query("SELECT pg_is_in_recovery()") == "f")
    return time.monotonic() - began


def check_trail(new: Installation, good: Path, beyond: Path) -> None:
    """Verify the trail with a checkpoint of before the moment, and see it refused with one of after it."""
    verified = new.run("audit_verify", "--anchor", str(good))
    assert verified.returncode == 0, verified.stdout + verified.stderr
    refused = new.run("audit_verify", "--anchor", str(beyond))
    assert refused.returncode == 1
    assert "is missing" in refused.stdout + refused.stderr


def acknowledge(new: Installation) -> None:
    """See that no checkpoint is signed until somebody has said that the missing events are known."""
    assert new.run("audit_checkpoint").returncode == 1
    reason = ("--by", "alice@acme.example", "--reason", "restored to the moment before the table was dropped")
    acknowledged = new.run("audit_acknowledge", *reason)
    assert acknowledged.returncode == 0, acknowledged.stdout + acknowledged.stderr
    assert new.run("audit_checkpoint").returncode == 0


@pytest.mark.full
@pytest.mark.quality(21)
def test_a_lost_table_is_restored_to_the_moment_before(tmp_path: Path, figure: Callable[[str], None]) -> None:
    archive, back_up, restore = read_commands()
    new = Installation(link_checkout(tmp_path / "bin"), tmp_path)
    with postgresql() as server:
        run(server, archive)
        server.stop("fast")
        server.start()
        verify = build_verify(int(new.ports["GATEWAY_PORT"]), initialise(new, server))
        run(server, back_up)
        service = {"KEYWARD_ENV_FILE": str(tmp_path / "keyward.env")}
        with key_service(service, cwd=tmp_path) as keys, new.serve("gateway") as process:
            [(_, token), (revoked, other)] = keys.make(2)
            before = verify(token)
            assert (before[:2], verify(other)[:2]) == (ALLOWED, ALLOWED)
            good = make_checkpoint(new, "good.jsonl")
            moment = server.query("SELECT clock_timestamp()")
            # What the restored database cannot know.
            keys.disable(revoked)
            assert verify(other)[:2] == DISABLED
            after = verify(token)
            assert after[:2] == ALLOWED
            beyond = make_checkpoint(new, "beyond.jsonl")
            drop_a_table(server)
            seconds = restore_to(moment, server, restore)
            # The gateway that ran meanwhile knows of the revocation that is gone.
            assert [verify(each)[:2] for each in (token, other)] == [UNAVAILABLE, UNAVAILABLE]
            assert keys.is_enabled(revoked)
            assert keys.missing([before[2], after[2]]) == [after[2]]
            check_trail(new, good, beyond)
            keys.disable(revoked)
            process.send_signal(signal.SIGHUP)
            wait_for(lambda: new.has_logged("reloaded: "), new.read_log)
            wait_for(lambda: verify(token)[:2] == ALLOWED)
            assert verify(other)[:2] == DISABLED
            acknowledge(new)
    figure(f"table dropped: restored to the moment before in {seconds:.1f} s, what was lost since named")
