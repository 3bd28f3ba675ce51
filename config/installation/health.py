"""`keyward health`: whether the planes on this machine answer, for the health check of a container. It reads where they
listen, and nothing else of the settings, because it runs every few seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import NoReturn

from config.env import Environment, Misconfigured
from config.serve.health_request import ListenAddress, request

PLANES = ("portal", "gateway")
USAGE = "usage: keyward health [live|ready] [portal] [gateway]"
TIMEOUT_SECONDS = 3.0


def main(arguments: list[str], load_environment: Callable[[], None]) -> NoReturn:
    """Print a line for each plane, and end with status 1 if one does not answer as it should."""
    check = arguments[0] if arguments[:1] in (["live"], ["ready"]) else ""
    planes = arguments[1:] if check else arguments
    if not set(planes) <= set(PLANES):
        sys.exit(f"{USAGE}\n\nCheck whether both planes, or the named ones, are alive (or ready).")
    try:
        load_environment()
        answers = {
            plane: check_plane(find_listen_address(plane, os.environ), check or "live") for plane in planes or PLANES
        }
    except Misconfigured as error:
        sys.exit(str(error))
    for plane, (is_good, detail) in answers.items():
        sys.stdout.write(f"{'good ' if is_good else 'WRONG'}  {plane}: {detail}\n")
    sys.exit(0 if all(is_good for is_good, _ in answers.values()) else 1)


def find_listen_address(plane: str, environ: Mapping[str, str]) -> ListenAddress:
    """Return where the plane listens. Raise Misconfigured."""
    env = Environment(dict(environ), production=False)
    prefix, port = ("", 8000) if plane == "portal" else ("GATEWAY_", 8001)
    address = (env.addresses(f"{prefix}BIND", ["127.0.0.1"])[0], env.port(f"{prefix}PORT", port))
    env.check()
    return (env.text("GATEWAY_SOCKET") if plane == "gateway" else "") or address


def check_plane(listen_address: ListenAddress, check: str) -> tuple[bool, str]:
    """Return whether the plane at `listen_address` answers 200, and its first line or what kept it from answering."""
    try:
        status, body, _ = request(listen_address, f"/health/{check}", {}, TIMEOUT_SECONDS)
    except (HTTPException, OSError) as error:
        return False, str(error) or type(error).__name__
    return status == 200, (body.splitlines() or [str(status)])[0]
