"""Asks the gateway's application, within this process, as a proxy would: the demo's log holds real decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from gateway.app import Gateway
from gateway.http.messages import Request, Response


@dataclass(frozen=True)
class Asked:
    """A call with the key of that name, from that address."""

    key: str
    method: str
    uri: str
    address: str


def ask(tokens: Mapping[str, tuple[str, str]], calls: Sequence[Asked]) -> None:
    """`tokens` are the API and the token of each key."""
    # Only here: the application connects to the database when it is imported.
    from config.serve.gateway import application

    asyncio.run(_ask(application, tokens, calls))


async def _ask(application: Gateway, tokens: Mapping[str, tuple[str, str]], calls: Sequence[Asked]) -> None:
    await application.start()
    for call in calls:
        # The answer is for the proxy; what matters here is the row.
        answer = _Answer()
        application(_request(*tokens[call.key], call), answer)
        await answer.given
    await application.stop(10)


class _Answer:
    """A place for one answer, without a connection."""

    def __init__(self) -> None:
        self.given: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

    def __call__(self, response: Response) -> None:
        self.given.set_result(response)

    def doubt(self) -> None:
        """There is no connection to doubt."""


def _request(api: str, token: str, call: Asked) -> Request:
    headers = {
        "x-gateway-secret": next(iter(settings.GATEWAY_SECRETS.values()), ""),
        "x-forwarded-for": call.address,
        "x-forwarded-method": call.method,
        "x-forwarded-uri": call.uri,
        "x-forwarded-host": f"{api}.example.com",
        "user-agent": "demo",
        "authorization": f"Bearer {token}",
    }
    told = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request("GET", f"/v1/verify/{api}".encode(), told, local=False)
