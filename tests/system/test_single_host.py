"""A single host behind nginx, as docs/install.md sets it up: no call and no page fails while its services reload, nor
while the last release is upgraded and rolled back as docs/upgrade.md says."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gateway_hosts import build_call, get_secret, initialised
from tests.installation import Installation, build_wheel, install
from tests.load_clients import ask_until
from tests.proxies import nginx, program
from tests.releases import RELEASES, extract, make_key
from tests.waiting import wait_until

CALLS = 20_000
RELOADS = 3
PATIENCE = 120.0
ENVIRONMENTS = {"portal": "keyward.env", "gateway": "gateway.env"}
PAGE = b"GET /login/ HTTP/1.1\r\nHost: localhost:8000\r\nConnection: %s\r\n\r\n"

pytestmark = [
    pytest.mark.full,
    pytest.mark.quality(30),
    pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed"),
]


@dataclass
class Service:
    """A unit of deploy/systemd as `keyward init` wrote it, without its sandbox."""

    unit: str
    process: subprocess.Popen[str]

    def reload(self) -> None:
        """Run what `systemctl reload` runs."""
        command = get_line(self.unit, "ExecReload").replace("$MAINPID", str(self.process.pid))
        subprocess.run(shlex.split(command), check=True)

    def get_masters(self) -> dict[int, str]:
        """Return the processes of the plane, each with the folder that its code is of."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        masters = {}
        for pid in children:
            # One that has ended has none.
            with suppress(OSError):
                masters[int(pid)] = os.readlink(f"/proc/{pid}/cwd")
        return masters


def get_line(unit: str, name: str) -> str:
    return re.findall(rf"^{name}=(.+)$", unit, re.MULTILINE)[0]


@dataclass
class SingleHost:
    """Both versions in environments of their own, and the link that leads to the one in use."""

    installation: Installation
    token: str
    link: Path
    old: Path
    new: Path

    def turn_link(self, version: Path) -> None:
        subprocess.run(["ln", "-sfn", version.name, str(self.link)], check=True)

    def migrate(self) -> None:
        """By the new version, which is not in use."""
        done = Installation(self.new / "bin", self.installation.folder).run("migrate", "--verbosity", "0")
        assert done.returncode == 0, done.stderr

    @contextmanager
    def serve(self, plane: str) -> Iterator[Service]:
        """Within, the plane's service runs and is ready."""
        folder = self.installation.folder
        unit = (folder / "systemd" / f"keyward-{plane}.service").read_text()
        command = shlex.split(get_line(unit, "ExecStart"))
        assert command[0] == str(self.link / "bin" / "keyward")
        own = folder / plane
        own.mkdir(exist_ok=True)
        environ = {"KEYWARD_ENV_FILE": str(folder / ENVIRONMENTS[plane]), "KEYWARD_VAR": str(own / "var")}
        installation = Installation(self.link / "bin", own, self.installation.ports)
        with installation.serve(*command[2:], **environ) as process:
            yield Service(unit, process)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SingleHost]:
    folder = tmp_path_factory.mktemp("host")
    checkout = extract(RELEASES[-1], folder / "checkout")
    old, new, link = (folder / name for name in ("keyward-old", "keyward-new", "keyward"))
    install(build_wheel(folder / "old-wheel", checkout), old)
    install(build_wheel(folder / "new-wheel"), new)
    link.symlink_to(old.name)
    with initialised(link / "bin", folder) as (installation, _):
        yield SingleHost(installation, make_key(checkout, folder / "keyward.env"), link, old, new)


@pytest.fixture
def new_host(host: SingleHost) -> SingleHost:
    """The host with this version in use."""
    host.migrate()
    host.turn_link(host.new)
    return host


class Answers(NamedTuple):
    """How often each status, or kind of failure, came."""

    calls: Counter[str]
    pages: Counter[str]

    def list_statuses(self) -> tuple[set[str], set[str]]:
        return set(self.calls), set(self.pages)

    def __str__(self) -> str:
        return f"{self.calls.total()} calls and {self.pages.total()} pages"


def change_over(services: list[Service], version: Path) -> None:
    """Reload the services, and wait until nothing but new processes of this version is left."""
    before = {pid for service in services for pid in service.get_masters()}
    for service in services:
        service.reload()

    def get_masters() -> list[dict[int, str]]:
        return [service.get_masters() for service in services]

    def are_replaced() -> bool:
        return all(len(each) == 1 and not before & set(each) for each in get_masters())

    wait_until(are_replaced, seconds=PATIENCE, interval=0.1, describe=get_masters)
    masters = get_masters()
    assert {folder for each in masters for folder in each.values()} == {str(version)}


def ask_during(host: SingleHost, work: Callable[[], None], *, page: bytes = b"", least: int = CALLS) -> Answers:
    """Make calls through nginx, at least so many, and open a page, if there is one, while `work` is done."""
    ports = host.installation.ports
    with (
        ThreadPoolExecutor() as pool,
        program.upstream() as upstream,
        nginx.serve(
            gateway=int(ports["GATEWAY_PORT"]), upstream=upstream, secret=get_secret(host.installation)
        ) as proxy,
    ):
        working = pool.submit(work)

        def is_over(answers: int) -> bool:
            return working.done() and (answers >= least or working.exception() is not None)

        async def ask() -> Answers:
            calls = ask_until(proxy.port, build_call(host.token), is_over)
            pages = ask_until(int(ports["PORT"]), page, lambda _: working.done(), connections=1 if page else 0)
            return Answers(*await asyncio.gather(calls, pages))

        answers = asyncio.run(ask())
        working.result()
    return answers


def test_nothing_fails_while_the_release_is_upgraded_and_rolled_back(
    host: SingleHost, figure: Callable[[str], None]
) -> None:
    with host.serve("portal") as portal, host.serve("gateway") as gateway:

        def upgrade_and_roll_back() -> None:
            host.migrate()
            for version in (host.new, host.old):
                host.turn_link(version)
                change_over([portal, gateway], version)

        answers = ask_during(host, upgrade_and_roll_back, page=PAGE % b"keep-alive")
    assert answers.list_statuses() == ({"200"}, {"200"}), answers
    figure(f"{answers} over an upgrade of a single host from {RELEASES[-1].version} and its rollback, 0 failed")


def test_nothing_fails_while_the_services_reload(new_host: SingleHost, figure: Callable[[str], None]) -> None:
    with new_host.serve("portal") as portal, new_host.serve("gateway") as gateway:

        def reload() -> None:
            for _ in range(RELOADS):
                change_over([portal, gateway], new_host.new)

        answers = ask_during(new_host, reload, page=PAGE % b"keep-alive")
    assert answers.list_statuses() == ({"200"}, {"200"}), answers
    figure(f"{answers} over {RELOADS} reloads of a single host behind nginx, 0 failed")


def test_a_restart_refuses_what_is_asked_until_the_gateway_is_ready(
    new_host: SingleHost, figure: Callable[[str], None]
) -> None:
    """As docs/upgrade.md says of a single host."""
    with ExitStack() as running:
        running.enter_context(new_host.serve("gateway"))

        def restart() -> None:
            running.close()
            running.enter_context(new_host.serve("gateway"))

        during = ask_during(new_host, restart, least=0)
        after = ask_during(new_host, lambda: None, least=100)
    assert during.list_statuses()[0] == {"200", "503"}, during
    assert after.list_statuses()[0] == {"200"}, after
    figure("a restart of a single host: calls get 503 until the gateway is ready, none gets anything else")
