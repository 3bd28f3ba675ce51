"""A replica is promoted, the old primary comes back, commits are lost: what the gateway refuses, and until when.

Two servers without a cluster manager, reached as libpq does it: the first that takes writes. The test names the old
primary first, so that every new connection leads to it as soon as it is back.
"""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

from tests.gateways import Answer, Asker
from tests.installation import Installation, link_checkout
from tests.key_service import KeyService, key_service
from tests.postgresql import Server, postgresql, replica_of
from tests.waiting import wait_until

pytestmark = pytest.mark.quality(23)
ALLOWED, UNAVAILABLE, DISABLED = (200, ""), (403, "unavailable"), (401, "key_disabled")
PATIENCE = 30.0


@dataclass
class World:
    primary: Server
    replica: Server
    installation: Installation
    keys: KeyService
    token: str
    process: subprocess.Popen[str] | None = None

    @property
    def secret(self) -> str:
        text = (self.installation.folder / "keyward.env").read_text()
        return re.findall(r"^GATEWAY_SECRETS=nginx:(\w+)", text, re.MULTILINE)[0]

    @property
    def port(self) -> int:
        return int(self.installation.ports["GATEWAY_PORT"])

    def ask(self, token: str = "") -> Answer:
        async def verify() -> Answer:
            async with Asker(self.port, secret=self.secret) as asker:
                return await asker.verify(token or self.token, api="billing")

        return asyncio.run(verify())

    def decide(self, token: str = "") -> tuple[int, str]:
        answer = self.ask(token)
        return answer.status, answer.refusal

    def wait_for(self, wanted: tuple[int, str], token: str = "") -> float:
        """Return the seconds until a call is decided so."""
        began = time.monotonic()
        wait_until(lambda: self.decide(token) == wanted, seconds=PATIENCE, describe=lambda: self.decide(token))
        return time.monotonic() - began

    def health(self) -> dict[str, str]:
        """Return what readiness says; an answer is shared for a second."""
        time.sleep(1.1)
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            connection.request("GET", "/health/ready")
            return dict(json.loads(connection.getresponse().read()))

    def end_connections(self, server: Server) -> None:
        """End those of the gateway, as a restart of the network between would."""
        server.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'keyward_app'")

    def reload(self) -> None:
        """Replace the gateway's processes, which have seen what was lost."""
        assert self.process is not None
        lines = self.installation.read_log().count("reloaded: ")
        self.process.send_signal(signal.SIGHUP)
        read = self.installation.read_log
        wait_until(lambda: read().count("reloaded: ") > lines, seconds=PATIENCE, describe=read)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests, which leave a primary and a replica behind, but for the last."""
    tmp_path = tmp_path_factory.mktemp("promotion")
    new = Installation(link_checkout(tmp_path / "bin"), tmp_path)
    with postgresql() as first:
        assert new.run("init", "--database", f"localhost:{first.port}").returncode == 0
        roles = first.folder / "roles.sql"
        roles.write_text((tmp_path / "roles.sql").read_text())
        roles.chmod(0o644)
        first.run("psql", "--quiet", "--dbname", "postgres", "-f", str(roles))
        # For pg_rewind.
        first.query("ALTER SYSTEM SET wal_log_hints = on")
        first.query("ALTER SYSTEM SET wal_keep_size = '256MB'")
        first.stop("fast")
        first.start()
        assert new.run("migrate", "--verbosity", "0").returncode == 0
        with replica_of(first) as second:
            file = tmp_path / "keyward.env"
            hosts = f"host=localhost,localhost&port={first.port},{second.port}&target_session_attrs=read-write"
            text, count = re.subn(
                r"^(\w*DATABASE_URL)=(.*)@localhost:\d+/keyward$",
                rf"\1='\2@/keyward?{hosts}'",
                file.read_text(),
                flags=re.M,
            )
            assert count == 2
            file.write_text(text)
            with key_service({"KEYWARD_ENV_FILE": str(file)}, cwd=tmp_path) as keys:
                [(_, token)] = keys.make(1)
                with new.serve("gateway") as process:
                    yield World(first, second, new, keys, token, process)


def wait_until_replayed(world: World) -> None:
    """Until the replica has all that the primary has."""
    ends = "SELECT pg_current_wal_lsn()"
    until = world.primary.query(ends)
    reached = f"SELECT pg_last_wal_replay_lsn() >= '{until}'"
    wait_until(lambda: world.replica.query(reached) == "t", seconds=PATIENCE)


def test_without_its_synchronous_replica_nothing_is_answered(world: World, figure: Callable[[str], None]) -> None:
    world.primary.query("ALTER SYSTEM SET synchronous_standby_names = '*'")
    world.primary.query("SELECT pg_reload_conf()")
    assert world.decide() == ALLOWED
    world.replica.stop("fast")
    began = time.monotonic()
    assert world.decide() == UNAVAILABLE
    seconds = time.monotonic() - began
    assert seconds < 3
    assert world.health() == {
        "status": "unavailable",
        "cause": "not_writable",
        "detail": "commits wait for a synchronous replica",
    }
    # A commit that somebody cancels is reported as done: the row is here, and perhaps nowhere else.
    answer: list[tuple[int, str]] = []
    cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"

    async def ask_and_cancel() -> None:
        task = asyncio.create_task(asyncio.to_thread(world.decide))
        while not task.done():
            await asyncio.to_thread(world.primary.query, cancel)
        answer.append(await task)

    asyncio.run(ask_and_cancel())
    assert answer == [UNAVAILABLE]
    world.replica.start()
    world.wait_for(ALLOWED)
    assert world.health()["status"] == "ready"
    figure(f"synchronous replica lost: calls refused within {seconds:.1f} s, until it is back")
    world.primary.query("ALTER SYSTEM RESET synchronous_standby_names")
    world.primary.query("SELECT pg_reload_conf()")


def test_an_old_primary_that_comes_back_is_refused(world: World, figure: Callable[[str], None]) -> None:
    [(public_id, revoked)] = world.keys.make(1)
    assert [world.decide(), world.decide(revoked)] == [ALLOWED, ALLOWED]
    wait_until_replayed(world)
    world.primary.stop()
    assert world.decide() == UNAVAILABLE
    began = time.monotonic()
    world.replica.run("pg_ctl", "-D", f"{world.replica.data}", "-w", "promote")
    world.wait_for(ALLOWED)
    seconds = time.monotonic() - began
    world.keys.disable(public_id)
    assert world.decide(revoked) == DISABLED

    # Without its standby.signal it is a primary that takes writes, and it knows nothing of the revocation.
    world.primary.start()
    world.end_connections(world.replica)
    for _ in range(5):
        assert [world.decide(), world.decide(revoked)] == [UNAVAILABLE, UNAVAILABLE]
    assert world.health() == {
        "status": "unavailable",
        "cause": "database_diverged",
        "detail": "the database is on timeline 00000001, but 00000002 has been seen",
    }
    assert world.primary.query("SELECT count(*) FROM audit_call WHERE time > pg_postmaster_start_time()") == "0"

    # It is made a replica of the new primary.
    world.primary.stop("fast")
    assert world.wait_for(ALLOWED) < 5
    assert world.decide(revoked) == DISABLED
    # Before its first checkpoint, the new primary would say that it is on the old timeline, and nothing be rewound.
    world.replica.query("CHECKPOINT")
    source = f"host={world.replica.folder} port={world.replica.port} user=postgres dbname=postgres"
    world.primary.run("pg_rewind", "-D", f"{world.primary.data}", "--source-server", source, "-R")
    world.primary.start()
    assert world.primary.query("SELECT pg_is_in_recovery()") == "t"
    world.end_connections(world.replica)
    world.wait_for(ALLOWED)
    assert world.decide(revoked) == DISABLED
    world.primary, world.replica = world.replica, world.primary
    wait_until_replayed(world)
    figure(f"promotion by hand: allowed {seconds:.1f} s after it began, the old primary refused when it came back")


def test_an_asynchronous_promotion_that_lost_a_revocation_is_refused_until_it_is_repeated(world: World) -> None:
    [(public_id, revoked)] = world.keys.make(1)
    assert world.decide(revoked) == ALLOWED
    wait_until_replayed(world)
    # The last commits do not reach it.
    world.replica.stop("fast")
    world.keys.disable(public_id)
    assert world.decide(revoked) == DISABLED
    lost = world.ask()
    assert lost.status == 200
    world.primary.stop()
    world.replica.start()
    world.replica.run("pg_ctl", "-D", f"{world.replica.data}", "-w", "promote")

    # What an asynchronous promotion loses: the row of an answered call, and the revocation.
    deadline = time.monotonic() + PATIENCE
    while world.health().get("cause") != "database_diverged":
        assert time.monotonic() < deadline
    assert [world.decide(), world.decide(revoked)] == [UNAVAILABLE, UNAVAILABLE]
    assert "lacks change" in world.health()["detail"]
    assert world.keys.is_enabled(public_id)
    assert world.keys.missing([lost.headers["x-request-id"]]) == [lost.headers["x-request-id"]]
    # The operator repeats it, and says by a reload that the database is the right one.
    world.keys.disable(public_id)
    assert world.decide() == UNAVAILABLE
    world.reload()
    world.wait_for(ALLOWED)
    assert world.decide(revoked) == DISABLED
