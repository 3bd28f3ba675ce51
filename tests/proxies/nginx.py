"""A real nginx that runs deploy/nginx/keyward.conf as it is, but for the three ports, the secret and the API."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.gateways import SECRET, free_port
from tests.proxies.program import DEPLOY, NOTHING, Proxy, ask_two_hosts, changed, find, folder, running

PROGRAM = find("nginx")
# What the deployed file says of another proxy before this one, with that proxy on this machine.
BEHIND_ANOTHER = {
    "merge_slashes off;": "merge_slashes off; set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;"
}


@contextmanager
def serve(
    *,
    gateway: int = 8001,
    upstream: int,
    secret: str = SECRET,
    api: str = "billing",
    behind: Mapping[str, str] = NOTHING,
    hosts: Sequence[str] = (),
) -> Iterator[Proxy]:
    """`hosts`: addresses with ports of two gateways, instead of one on this machine."""
    assert PROGRAM is not None
    deployed, port = DEPLOY / "nginx", free_port()
    # The folder is this user's alone, and nginx's workers would be another if this is root.
    user = "user root;" if os.geteuid() == 0 else ""
    with folder("nginx") as where:
        for unchanged in ("nginx.conf", "keyward-question.conf"):
            shutil.copy(deployed / unchanged, where)
        ports = {
            "listen 8080;": f"listen 127.0.0.1:{port};",
            "server 127.0.0.1:8001;": f"server 127.0.0.1:{gateway};",
            "server 127.0.0.1:9000;": f"server 127.0.0.1:{upstream};",
        }
        slugs = {f"/v1/{asked}/billing;": f"/v1/{asked}/{api};" for asked in ("verify", "whoami")}
        text = changed((deployed / "keyward.conf").read_text(), ports | slugs | dict(behind))
        if hosts:
            text = ask_two_hosts(text, r"^upstream keyward_gateway \{.*?^\}\n", "nginx.conf", hosts)
        (where / "keyward.conf").write_text(text)
        proof = changed((deployed / "keyward-secret.conf").read_text(), {"CHANGE-ME": secret})
        (where / "keyward-secret.conf").write_text(proof)
        command = [PROGRAM, "-p", str(where), "-c", "nginx.conf", "-e", "error.log", "-g", f"daemon off; {user}"]
        with running(command, where, port):
            yield Proxy("nginx", port, where / "access.log")
