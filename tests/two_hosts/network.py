"""Three hosts for a test: network namespaces joined by a bridge, whose cables can be pulled; without root, addresses of
the loopback network."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

# As deploy/high-availability has them; of a range that is for tests (RFC 2544).
NETWORK = "198.18.0"
NAMES = ("host-a", "host-b", "host-c")


@dataclass(frozen=True)
class Host:
    name: str
    address: str
    # Empty on the loopback.
    namespace: str = ""
    switch: str = ""

    @property
    def prefix(self) -> tuple[str, ...]:
        """What runs a command on this host."""
        return ("ip", "netns", "exec", self.namespace) if self.namespace else ()

    def cut(self) -> None:
        """Pull the cable: nothing arrives or leaves, and nobody is told."""
        _ip("-n", self.switch, "link", "set", self.name, "down")

    def join(self) -> None:
        _ip("-n", self.switch, "link", "set", self.name, "up")


def can_make_namespaces() -> bool:
    name = f"keyward-{os.getpid()}-try"
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    if subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return False
    _ip("netns", "del", name)
    return True


@contextmanager
def make_hosts() -> Iterator[tuple[Host, Host, Host]]:
    if not can_make_namespaces():
        first, second, third = (Host(name, f"127.0.77.{number}") for number, name in enumerate(NAMES, 1))
        yield first, second, third
        return
    switch = f"keyward-{os.getpid()}-switch"
    made = [switch]
    try:
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        hosts = []
        for number, name in enumerate(NAMES, 1):
            host = Host(name, f"{NETWORK}.{number}", f"keyward-{os.getpid()}-{name}", switch)
            _ip("netns", "add", host.namespace)
            made.append(host.namespace)
            _ip("-n", host.namespace, "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", switch)
            _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
            for link in ("lo", "eth0"):
                _ip("-n", host.namespace, "link", "set", link, "up")
            _ip("-n", switch, "link", "set", name, "master", "bridge", "up")
            hosts.append(host)
        first, second, third = hosts
        yield first, second, third
    finally:
        for name in made:
            _ip("netns", "del", name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
