"""A load balancer before the proxy that writes the client's port behind its address, as Azure's does."""

from __future__ import annotations

from tests.proxies import envoy
from tests.proxies.client import ask


def test_an_address_with_a_port_from_a_trusted_balancer_is_the_client(
    program_of, upstream_port, running_gateway, world
) -> None:
    # Envoy takes such a value for none, and the balancer for the client, which opens nothing.
    ported = 403 if program_of is envoy else 200
    _, four = world.key("A", networks=("198.51.100.7/32",))
    _, six = world.key("B", networks=("2001:db8::7/128",))
    with program_of.serve(
        gateway=running_gateway.port, upstream=upstream_port, behind=program_of.BEHIND_ANOTHER
    ) as proxy:
        for token, forwarded, status in (
            (four, "198.51.100.7", 200),
            (four, "198.51.100.7:51234", ported),
            (four, "127.0.0.9, 198.51.100.7:51234", ported),
            (four, "198.51.100.7, 198.51.100.8:51234", 403),
            (six, "2001:db8::7", 200),
            (six, "[2001:db8::7]:443", ported),
        ):
            answer = ask(proxy.port, token=token, headers=(("X-Forwarded-For", forwarded),))
            assert (forwarded, answer.status) == (forwarded, status)
