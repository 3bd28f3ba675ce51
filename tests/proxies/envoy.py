"""A real Envoy that runs deploy/envoy/envoy.yaml as it is, but for the ports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from tests.gateways import SECRET, free_port
from tests.proxies.program import DEPLOY, NOTHING, Proxy, changed, find, folder, running

PROGRAM = find("envoy")
# What the deployed file says of another proxy before this one, with that proxy on this machine.
BEHIND_ANOTHER = {"xff_num_trusted_hops: 0": "xff_num_trusted_hops: 1"}


@contextmanager
def serve(*, gateway: int, upstream: int, secret: str = SECRET, behind: Mapping[str, str] = NOTHING) -> Iterator[Proxy]:
    assert PROGRAM is not None
    port = free_port()
    with folder("envoy") as where:
        ports = {
            "{address: 0.0.0.0, port_value: 8080}": f"{{address: 127.0.0.1, port_value: {port}}}",
            "port_value: 8001": f"port_value: {gateway}",
            "port_value: 9000": f"port_value: {upstream}",
        }
        (where / "envoy.yaml").write_text(changed((DEPLOY / "envoy" / "envoy.yaml").read_text(), ports | dict(behind)))
        environment = os.environ | {"KEYWARD_GATEWAY_SECRET": secret}
        command = [PROGRAM, "-c", "envoy.yaml", "--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]
        # It writes its access log every ten seconds otherwise.
        command += ["--file-flush-interval-msec", "100"]
        with running(command, where, port, environment):
            yield Proxy("envoy", port, where / "access.log")
