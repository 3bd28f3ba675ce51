"""Two hosts behind one proxy are restarted, one after the other, while calls are made: none fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import pytest

from tests.gateway_hosts import GatewayHost, build_call, get_secret, initialised, two_hosts
from tests.installation import Installation, link_checkout
from tests.key_service import key_service
from tests.load_clients import ask_until
from tests.proxies import haproxy, nginx, program

PROXIES = {"haproxy": haproxy, "nginx": nginx}
# Until the proxy asks a host again that it left alone.
REST_SECONDS = {"haproxy": 2.0, "nginx": 5.5}


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("rolling")
    with initialised(link_checkout(folder / "bin"), folder) as (installation, _):
        yield installation


@pytest.fixture(scope="module")
def token(installation: Installation) -> str:
    environ = {"KEYWARD_ENV_FILE": str(installation.folder / "keyward.env")}
    with key_service(environ, cwd=installation.folder) as keys:
        return keys.make(1)[0][1]


@pytest.fixture(scope="module")
def hosts(installation: Installation) -> Iterator[list[GatewayHost]]:
    with two_hosts(installation) as hosts:
        yield hosts


@pytest.mark.quality(30)
@pytest.mark.full
@pytest.mark.parametrize("kind", ["haproxy", "nginx"])
def test_no_call_fails_while_hosts_restart_in_turn(
    kind: str,
    installation: Installation,
    token: str,
    hosts: list[GatewayHost],
    full: bool,
    figure: Callable[[str], None],
) -> None:
    proxy: ModuleType = PROXIES[kind]
    if proxy.PROGRAM is None:
        pytest.skip(f"{kind} is not installed")
    places, call = [host.place for host in hosts], build_call(token)
    target, restarted = (20_000, hosts) if full else (500, hosts[:1])

    def restart() -> None:
        for host in restarted:
            host.restart(REST_SECONDS[kind])

    with (
        ThreadPoolExecutor() as pool,
        program.upstream() as upstream,
        proxy.serve(upstream=upstream, secret=get_secret(installation), hosts=places) as running,
    ):
        counted = asyncio.run(ask_until(running.port, call, lambda answers: answers >= 100))
        assert set(counted) == {"200"}, counted
        restarts = pool.submit(restart)
        counted = asyncio.run(ask_until(running.port, call, lambda answers: restarts.done() and answers >= target))
        restarts.result()
    assert set(counted) == {"200"}, counted
    figure(f"{kind}: {counted['200']} calls while {len(restarted)} of two hosts restarted in turn, 0 failed")
