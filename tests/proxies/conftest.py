"""A real gateway and the example API, with each of the proxies between them; keys are made by each test."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from tests.proxies import caddy, envoy, haproxy, nginx, program

# Models can be imported when Django is ready, which is after this file is read.
if TYPE_CHECKING:
    from tests.gateways import RunningGateway
    from tests.proxies.world import World

PROXIES = {"nginx": nginx, "caddy": caddy, "envoy": envoy, "haproxy": haproxy}


@pytest.fixture(scope="session")
def upstream_port() -> Iterator[int]:
    with program.upstream() as port:
        yield port


@pytest.fixture(scope="session")
def running_gateway(django_db_setup: None, django_db_blocker: Any) -> Iterator[RunningGateway]:
    from tests.gateways import gateway

    with django_db_blocker.unblock(), gateway() as running:
        yield running


@pytest.fixture(scope="session", params=PROXIES)
def program_of(request: pytest.FixtureRequest) -> ModuleType:
    """Each proxy in turn, as a module that serves it."""
    module = PROXIES[request.param]
    if module.PROGRAM is None:
        pytest.skip(f"{request.param} is not installed")
    return module


@pytest.fixture(scope="session")
def proxy(program_of: ModuleType, upstream_port: int, running_gateway: RunningGateway) -> Iterator[program.Proxy]:
    """A proxy with the deployed configuration, the gateway it asks, and the API behind it."""
    with program_of.serve(gateway=running_gateway.port, upstream=upstream_port) as running:
        yield running


@pytest.fixture
def world(transactional_db: None) -> World:
    from tests.proxies.world import a_world

    return a_world()
