"""Sends calls to the gateway's application, within this process, so that the log of the demo holds real decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from gateway.app import Gateway
from gateway.http.messages import Request, Response


@dataclass(frozen=True)
class DemoCall:
    """A call with the key of this name, from this address."""

    key: str
    method: str
    uri: str
    address: str


def send_calls(tokens: Mapping[str, tuple[str, str]], calls: Sequence[DemoCall]) -> None:
    """Decide and log the calls. `tokens` are the API and the token of each key."""
    # Imported here, because the application connects to the database on import.
    from config.serve.gateway import application

    asyncio.run(_send_calls(application, tokens, calls))


async def _send_calls(application: Gateway, tokens: Mapping[str, tuple[str, str]], calls: Sequence[DemoCall]) -> None:
    await application.start()
    for call in calls:
        # The response would be for the proxy; here only the row matters.
        pending = _PendingResponse()
        application(_build_request(*tokens[call.key], call), pending)
        await pending.response
    await application.stop(10)


class _PendingResponse:
    """A Reply without a connection."""

    def __init__(self) -> None:
        self.response: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def __call__(self, response: Response) -> None:
        self.response.set_result(response)

    def mark_unauthenticated(self) -> None:
        """Do nothing: there is no connection."""


def _build_request(api: str, token: str, call: DemoCall) -> Request:
    headers = {
        "x-gateway-secret": next(iter(settings.GATEWAY_SECRETS.values()), ""),
        "x-forwarded-for": call.address,
        "x-forwarded-method": call.method,
        "x-forwarded-uri": call.uri,
        "x-forwarded-host": f"{api}.example.com",
        "user-agent": "demo",
        "authorization": f"Bearer {token}",
    }
    headers_sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", f"/v1/verify/{api}".encode(), headers_sent, local=False)
