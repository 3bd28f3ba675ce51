"""A real HAProxy that runs deploy/haproxy/ as it is, but for the ports, the folder and the secret."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.gateways import SECRET, free_port
from tests.proxies.program import DEPLOY, NOTHING, Proxy, ask_two_hosts, changed, find, folder, running

PROGRAM = find("haproxy")
# What the deployed file says of another proxy before this one, with that proxy on this machine.
BEHIND_ANOTHER = {"#   http-request set-src": "http-request set-src", "{ src 192.0.2.10 }": "{ src 127.0.0.1 }"}


@contextmanager
def serve(
    *,
    gateway: int = 8001,
    upstream: int,
    secret: str = SECRET,
    behind: Mapping[str, str] = NOTHING,
    hosts: Sequence[str] = (),
) -> Iterator[Proxy]:
    """`hosts`: addresses with ports of two gateways, instead of one on this machine."""
    assert PROGRAM is not None
    deployed, port = DEPLOY / "haproxy", free_port()
    with folder("haproxy") as where:
        shutil.copy(deployed / "keyward.lua", where)
        (where / "keyward-secret").write_text(f"{secret}\n")
        text = (deployed / "haproxy.cfg").read_text()
        places = {
            "abns@keyward": f"abns@keyward-{port}",
            "server gateway 127.0.0.1:8001": f"server gateway 127.0.0.1:{gateway}",
            "KEYWARD_SECRET_FILE /etc/haproxy/": f"KEYWARD_SECRET_FILE {where}/",
            "lua-load-per-thread /etc/haproxy/": f"lua-load-per-thread {where}/",
            "    bind :8080\n": f"    bind 127.0.0.1:{port}\n",
            "server api 127.0.0.1:9000": f"server api 127.0.0.1:{upstream}",
        }
        text = changed(text, places | dict(behind))
        if hosts:
            text = ask_two_hosts(text, r"^listen keyward_gateway\n.*?(?=^backend )", "haproxy.cfg", hosts)
            # As docs/upgrade.md says.
            text = changed(text, {"global\n": f"global\n    stats socket {where}/admin.sock mode 600 level admin\n"})
        (where / "haproxy.cfg").write_text(text)
        with running([PROGRAM, "-f", "haproxy.cfg"], where, port):
            # It writes them to standard output, and so does this file.
            yield Proxy("haproxy", port, where / "output.txt")


def set_state(proxy: Proxy, host: int, state: str) -> None:
    """Take a host, 0 or 1, out with `maint`, or in again with `ready`."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.connect(str(proxy.access_log.with_name("admin.sock")))
        admin.sendall(f"set server keyward_gateway/host-{'ab'[host]} state {state}\n".encode())
        assert admin.recv(1000).strip() == b""
