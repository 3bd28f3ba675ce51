"""A real gateway and the example API, with nginx between them; keys are made by each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.proxies.nginx import PROGRAM, nginx, upstream

# Models can be imported when Django is ready, which is after this file is read.
if TYPE_CHECKING:
    from tests.gateways import RunningGateway
    from tests.proxies.world import World


@pytest.fixture(scope="session")
def upstream_port() -> Iterator[int]:
    if PROGRAM is None:
        pytest.skip("nginx is not installed")
    with upstream() as port:
        yield port


@pytest.fixture(scope="session")
def running_gateway(django_db_setup: None, django_db_blocker: Any) -> Iterator[RunningGateway]:
    from tests.gateways import gateway

    with django_db_blocker.unblock(), gateway() as running:
        yield running


@pytest.fixture(scope="session")
def nginx_port(upstream_port: int, running_gateway: RunningGateway) -> Iterator[int]:
    """nginx with the deployed configuration, the gateway it asks, and the API behind it."""
    with nginx(gateway=running_gateway.port, upstream=upstream_port) as port:
        yield port


@pytest.fixture
def world(transactional_db: None) -> World:
    from tests.proxies.world import a_world

    return a_world()
