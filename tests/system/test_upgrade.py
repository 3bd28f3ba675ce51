"""The last release is upgraded to this version and rolled back while calls are made, as docs/upgrade.md says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway_hosts import GatewayHost, build_call, get_secret, initialised, two_hosts
from tests.installation import ROOT, Installation, link_checkout
from tests.load_clients import ask_until
from tests.postgresql import Server
from tests.proxies import haproxy, program
from tests.releases import RELEASES, extract, make_key

REST_SECONDS = 2.0
MAX_SECONDS = 1.0
LOG_CALLS = """
INSERT INTO audit_call (request_id, account_id, account, api, key_id, key_name, owner, credential, method, host, path,
    query, module, client_address, decision, reason, rule, mask, hlr, proxy, user_agent)
SELECT gen_random_uuid(), 1, 'acme', 'billing', lpad((n % 1000)::text, 12, '0'), 'Robot', 'alice', 'bearer', 'GET',
    'api.example.com', '/customers', '', 'customers', '203.0.113.8', 'allowed', '', 'GET /customers', false, false,
    'nginx', 'curl/8.0'
FROM generate_series(1, {rows}) AS n
"""


class Release(NamedTuple):
    """The last release, installed and at work on two hosts behind a proxy, and the command of this version."""

    installation: Installation
    server: Server
    hosts: list[GatewayHost]
    proxy: program.Proxy
    call: bytes
    new_programs: Path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, full: bool) -> Iterator[Release]:
    if haproxy.PROGRAM is None:
        pytest.skip("haproxy is not installed")
    folder = tmp_path_factory.mktemp("upgrade")
    old = extract(RELEASES[-1], folder / "old")
    with initialised(link_checkout(folder / "old-bin", old), folder) as (installation, server):
        token = make_key(old, folder / "keyward.env")
        server.query(LOG_CALLS.format(rows=5_000_000 if full else 20_000))
        with (
            two_hosts(installation) as hosts,
            program.upstream() as upstream,
            haproxy.serve(
                upstream=upstream, secret=get_secret(installation), hosts=[host.place for host in hosts]
            ) as proxy,
        ):
            new_programs = link_checkout(folder / "new-bin")
            yield Release(installation, server, hosts, proxy, build_call(token), new_programs)


def ask_during(release: Release, work: Callable[[], None], calls: int, pause: float = 0.0) -> tuple[int, float]:
    """Make calls while `work` is done, at least so many; all are answered 200. Return how many there were, and the
    slowest one's seconds. `pause` is that of each connection between two calls, in seconds."""
    durations: list[float] = []
    with ThreadPoolExecutor() as pool:
        working = pool.submit(work)
        counted = asyncio.run(
            ask_until(
                release.proxy.port,
                release.call,
                lambda answers: working.done() and answers >= calls,
                durations=durations,
                pause=pause,
            )
        )
        working.result()
    assert set(counted) == {"200"}, counted
    return counted["200"], max(durations)


def list_migrations(server: Server) -> set[str]:
    return set(server.query("SELECT app || '.' || name FROM django_migrations").splitlines())


def migrate(release: Release) -> None:
    """Migrate the database with this version, unless that was done."""
    new = Installation(release.new_programs, release.installation.folder)
    done = new.run("migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr


@pytest.mark.full
@pytest.mark.quality(22)
def test_no_call_waits_for_a_migration(release: Release, full: bool, figure: Callable[[str], None]) -> None:
    """The code is the release's, and it works on with the migrated database."""
    before = list_migrations(release.server)
    _, quiet = ask_during(release, lambda: None, 500)

    calls, slowest = ask_during(release, lambda: migrate(release), 1_000)
    added = list_migrations(release.server) - before
    assert {"audit.0002_old_secret", "audit.0003_usage"} <= added
    # On a machine that does other work a call is late without a migration, too.
    assert slowest < max(MAX_SECONDS, 2 * quiet)
    rows = "5,000,000" if full else "20,000"
    figure(f"{len(added)} migrations on {rows} calls, {calls} calls meanwhile: the slowest {slowest * 1000:.0f} ms")


@pytest.mark.quality(30)
def test_no_call_fails_while_the_code_is_upgraded_and_rolled_back(
    release: Release, full: bool, figure: Callable[[str], None]
) -> None:
    changed = release.hosts if full else release.hosts[:1]

    def change_over(programs: Path) -> None:
        for place, host in enumerate(changed):
            if has_no_delay := host.programs == release.installation.programs:
                haproxy.set_state(release.proxy, place, "maint")
            host.programs = programs
            host.restart(REST_SECONDS)
            if has_no_delay:
                haproxy.set_state(release.proxy, place, "ready")

    def upgrade_and_roll_back() -> None:
        assert {host.code for host in release.hosts} == {str(release.installation.folder / "old")}
        migrate(release)
        change_over(release.new_programs)
        assert {host.code for host in changed} == {str(ROOT)}
        change_over(release.installation.programs)

    least, pause = (20_000, 0.0) if full else (500, 0.01)
    calls, _ = ask_during(release, upgrade_and_roll_back, least, pause)
    assert {host.code for host in release.hosts} == {str(release.installation.folder / "old")}
    figure(f"{calls} calls over an upgrade from {RELEASES[-1].version} and its rollback, 0 failed")


def test_the_release_leaves_the_migrated_database_alone(release: Release) -> None:
    """Its doctor finds nothing to migrate, and no right that is missing."""
    migrate(release)
    said = release.installation.run("doctor").stdout
    assert "good   migrations and rights" in said, said
