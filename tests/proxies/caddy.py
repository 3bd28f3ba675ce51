"""A real Caddy that runs deploy/caddy/Caddyfile as it is, but for the ports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.gateways import SECRET, free_port
from tests.proxies.program import DEPLOY, NOTHING, Proxy, changed, find, folder, running

PROGRAM = find("caddy")
# What the deployed file says of another proxy before this one, with that proxy on this machine.
BEHIND_ANOTHER = {
    "\t\t#   trusted_proxies static 192.0.2.10\n": "\t\ttrusted_proxies static 127.0.0.1\n",
    "\t\t#   trusted_proxies_strict\n": "\t\ttrusted_proxies_strict\n",
}


@contextmanager
def serve(*, gateway: int, upstream: int, secret: str = SECRET, behind: Mapping[str, str] = NOTHING) -> Iterator[Proxy]:
    assert PROGRAM is not None
    port = free_port()
    with folder("caddy") as where:
        ports = {
            "\n:8080 {": f"\nhttp://:{port} {{\n\tbind 127.0.0.1",
            "to 127.0.0.1:8001": f"to 127.0.0.1:{gateway}",
            "reverse_proxy 127.0.0.1:9000": f"reverse_proxy 127.0.0.1:{upstream}",
        }
        (where / "Caddyfile").write_text(changed((DEPLOY / "caddy" / "Caddyfile").read_text(), ports | dict(behind)))
        # Its own folders too, or it would keep things in the user's home.
        environment = os.environ | {
            "KEYWARD_GATEWAY_SECRET": secret,
            "HOME": str(where),
            "XDG_DATA_HOME": str(where),
            "XDG_CONFIG_HOME": str(where),
        }
        with running([PROGRAM, "run", "--config", "Caddyfile"], where, port, environment):
            yield Proxy("caddy", port, where / "access.log")
