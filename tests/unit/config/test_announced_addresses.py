"""`serve` says where the gateway listens."""

from __future__ import annotations

from typing import Any

import pytest

from config.management.commands.serve import list_gateway_addresses
from config.serve.listeners import format_listen_address


@pytest.mark.parametrize(
    ("bind", "announced"),
    [
        (["127.0.0.1"], "http://localhost:8001"),
        (["127.0.0.1", "::1"], "http://localhost:8001"),
        (["10.0.0.5", "fd00::5"], "http://10.0.0.5:8001, http://[fd00::5]:8001"),
        (["0.0.0.0"], "http://0.0.0.0:8001"),
    ],
)
def test_the_addresses_are_those_of_the_configuration(settings: Any, bind: list[str], announced: str) -> None:
    settings.GATEWAY_BIND, settings.GATEWAY_PORT, settings.METRICS_PORT = bind, 8001, 9101
    assert list_gateway_addresses() == announced


def test_a_socket_is_announced_by_its_path(settings: Any) -> None:
    settings.GATEWAY_SOCKET = "/run/keyward/gateway.sock"
    assert list_gateway_addresses() == format_listen_address("/run/keyward/gateway.sock") == "/run/keyward/gateway.sock"
