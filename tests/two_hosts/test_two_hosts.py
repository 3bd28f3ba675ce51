"""Two hosts with portal, gateway, PgBouncer and PostgreSQL each, and a third with the proxies' balancer: what is
refused, and for how long, when one of each is replaced, restarted or lost. Nothing is stale, and nothing lost."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.gateways import Asker
from tests.key_service import Failed, KeyService, key_service
from tests.two_hosts.installation import Machine, TwoHosts, list_missing, two_hosts

RATE = 50.0
# After the last refusal, so long without another one.
QUIET_SECONDS = 3.0
ALLOWED = "200"

pytestmark = [
    pytest.mark.full,
    pytest.mark.quality(23),
    pytest.mark.skipif(bool(list_missing()), reason=f"not installed: {', '.join(list_missing())}"),
]


@pytest.fixture(scope="module")
def both() -> Iterator[TwoHosts]:
    # A short path, for sockets, which no other run of pytest removes.
    with (
        TemporaryDirectory(prefix="keyward-two-hosts-", ignore_cleanup_errors=True) as folder,
        two_hosts(Path(folder)) as both,
    ):
        yield both


class Clients:
    """Calls at a steady rate, the page of the portal, and every revoked key."""

    def __init__(self, both: TwoHosts) -> None:
        self.both = both
        third = both.machines["host-c"].host
        local = "127.0.0.1" if third.namespace else third.address
        self.gateway, self.portal = f"{local}:8001", f"{local}:8000"
        self.secret = both.variable("GATEWAY_SECRETS").removeprefix("nginx:")
        [(_, self.token)] = self.call(lambda keys: keys.make(1))
        self.revoked: dict[str, float] = {}
        self.tokens: dict[str, str] = {}
        both.client.ask("call", self.gateway, self.build_question(self.token), RATE)
        page = "GET /login/ HTTP/1.1\r\nHost: keys.example.com\r\nConnection: close\r\n\r\n"
        both.client.ask("page", self.portal, page.encode(), 2.0)

    def build_question(self, token: str) -> bytes:
        return (
            Asker(0, secret=self.secret)
            .question(token, api="billing")
            .replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        )

    def is_allowed(self, token: str) -> bool:
        return self.both.client.exchange(self.gateway, self.build_question(token))[0] == ALLOWED

    def call(self, what: Callable[[KeyService], object], machine: Machine | None = None):
        """Return what the services of a host's portal return."""
        machine = machine or self.both.machines["host-a"]
        with key_service(self.both.environ(machine), prefix=machine.host.prefix, cwd=self.both.folder) as keys:
            return what(keys)

    def revoke(self, machine: Machine) -> str:
        """Make a key, see it allowed, disable it, and go on asking with it."""

        def make_and_disable(keys: KeyService) -> tuple[str, str]:
            [(public_id, token)] = keys.make(1)
            assert self.is_allowed(token)
            keys.disable(public_id)
            return public_id, token

        public_id, token = self.call(make_and_disable, machine)
        self.revoked[public_id], self.tokens[public_id] = time.monotonic(), token
        self.both.client.ask(public_id, self.gateway, self.build_question(token), 5.0)
        return str(public_id)

    def wait_until_quiet(self) -> None:
        """Until calls are allowed again and stay so."""
        deadline = time.monotonic() + 120
        while True:
            time.sleep(1)
            recent = self.both.client.take(time.monotonic() - QUIET_SECONDS - 1)
            ended = [sample for sample in recent if sample.kind in ("call", "page")]
            if ended and all(sample.result == ALLOWED for sample in ended):
                return
            assert time.monotonic() < deadline, Counter(sample.result for sample in ended)

    def describe(self, since: float) -> str:
        """Return what was refused since then, and for how long."""
        said = []
        for kind in ("call", "page"):
            samples = [sample for sample in self.both.client.take(since) if sample.kind == kind]
            failed = [sample for sample in samples if sample.result != ALLOWED]
            seconds = failed[-1].began + failed[-1].seconds - failed[0].began if failed else 0.0
            causes = ", ".join(f"{count} {result}" for result, count in Counter(s.result for s in failed).items())
            said.append(
                f"{len(failed)} of {len(samples)} {kind}s within {seconds:.1f} s{f' ({causes})' if causes else ''}"
            )
        return "; ".join(said)

    def check(self, machine: Machine) -> None:
        """Every allowed call has its row, and no revoked key was let in after its revocation."""
        samples = self.both.client.take()
        allowed = [sample.request_id for sample in samples if sample.kind == "call" and sample.result == ALLOWED]
        assert allowed
        assert self.call(lambda keys: keys.missing(allowed), machine) == []
        stale = [sample for sample in samples if sample.kind in self.revoked and sample.result == ALLOWED]
        assert stale == []


@pytest.fixture(scope="module")
def clients(both: TwoHosts) -> Clients:
    return Clients(both)


@pytest.fixture
def measured(both: TwoHosts, clients: Clients, figure: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Say what was refused since the test began, once calls are allowed again; then check all that was answered."""
    both.wait_for(both.is_synchronous, "the replica is not synchronous")
    both.wait_for(both.is_serving, "not all planes are ready")
    clients.wait_until_quiet()
    began = time.monotonic()

    def say(what: str) -> None:
        clients.wait_until_quiet()
        figure(f"two hosts, {what}: refused {clients.describe(began)}")

    yield say
    clients.check(both.get_primary())


def test_a_rolling_restart_of_both_hosts_refuses_nothing(
    both: TwoHosts, clients: Clients, measured: Callable[[str], None]
) -> None:
    began = time.monotonic()
    for name in ("host-a", "host-b"):
        machine = both.machines[name]
        machine.stop("keyward")
        both.serve(machine)
        both.wait_for(both.is_serving, "not all planes are ready")
        time.sleep(3)
    measured("rolling restart of both planes")
    assert {s.result for s in both.client.take(began) if s.kind in ("call", "page")} == {ALLOWED}


def test_a_planned_switchover(both: TwoHosts, clients: Clients, measured: Callable[[str], None]) -> None:
    primary, replica = both.get_primary(), both.get_replica()
    clients.revoke(primary)
    # Both ends named, and no question asked.
    switch = ("patronictl", "-c", "patroni.yaml", "switchover", "--force", "--candidate", replica.host.name)
    primary.run(*switch, "--master", primary.host.name)
    both.wait_for(lambda: both.get_primary() is replica, "no switchover")
    measured("planned switchover of the database")


def test_the_primary_crashes(both: TwoHosts, clients: Clients, measured: Callable[[str], None]) -> None:
    primary, replica = both.get_primary(), both.get_replica()
    clients.revoke(primary)
    primary.kill_database()
    both.wait_for(lambda: has_leader(both, replica), "no promotion")
    measured("crash of the primary")


def has_leader(both: TwoHosts, machine: Machine) -> bool:
    member = both.get_members().get(machine.host.name, {})
    return member.get("role") == "leader" and member.get("state") == "running"


def test_the_replica_is_lost(both: TwoHosts, clients: Clients, measured: Callable[[str], None]) -> None:
    replica = both.get_replica()
    clients.revoke(both.get_primary())
    replica.kill_process("patroni")
    replica.kill_database()
    time.sleep(15)
    measured("loss of the replica")
    replica.start("patroni", "patroni", "patroni.yaml")


def test_the_host_of_the_primary_is_lost_and_comes_back(
    both: TwoHosts, clients: Clients, measured: Callable[[str], None]
) -> None:
    primary, replica = both.get_primary(), both.get_replica()
    if not primary.host.namespace:
        pytest.skip("without root or network namespaces no cable can be pulled")
    isolated = clients.revoke(primary)
    primary.host.cut()
    try:
        both.wait_for(lambda: has_leader(both, replica), "no promotion")
        # Until the gateways have found it.
        both.wait_for(lambda: clients.is_allowed(clients.token), "calls are refused after the promotion")
        after = clients.revoke(replica)
        # The old primary's own gateway, asked on its own host.
        for _ in range(3):
            for token in (clients.token, clients.tokens[isolated], clients.tokens[after]):
                assert ask_locally(primary, clients.build_question(token)) != ALLOWED
        measured("loss of the primary's host")
    finally:
        primary.host.join()
    both.wait_for(both.is_synchronous, "the old primary has not become a replica")
    assert both.get_primary() is replica


def ask_locally(machine: Machine, request: bytes) -> str:
    program = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], 8001), 6); s.sendall(sys.stdin.buffer.read());"
        " print((s.recv(65536).split(b' ') + [b'', b''])[1].decode())"
    )
    command = [*machine.host.prefix, "python3", "-c", program, machine.host.address]
    done = subprocess.run(command, input=request, capture_output=True, timeout=30)
    return done.stdout.decode().strip()


def test_the_trail_is_whole_afterwards(both: TwoHosts, clients: Clients) -> None:
    primary = both.get_primary()
    both.keyward(primary, "audit_verify")
    with pytest.raises(Failed):
        clients.call(lambda keys: keys.disable("nothing"), primary)
