"""Asks the gateway's application, within this process, as a proxy would: the demo's log holds real decisions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings


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
    from config.asgi import application

    asyncio.run(_ask(application, tokens, calls))


async def _ask(application: Any, tokens: Mapping[str, tuple[str, str]], calls: Sequence[Asked]) -> None:
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    lifespan = asyncio.create_task(application({"type": "lifespan"}, inbox.get, outbox.put))
    await inbox.put({"type": "lifespan.startup"})
    await outbox.get()
    for call in calls:
        await application(_scope(*tokens[call.key], call), inbox.get, _ignore)
    await inbox.put({"type": "lifespan.shutdown"})
    await lifespan


def _scope(api: str, token: str, call: Asked) -> dict[str, Any]:
    headers = {
        "x-gateway-secret": next(iter(settings.GATEWAY_SECRETS.values()), ""),
        "x-forwarded-for": call.address,
        "x-forwarded-method": call.method,
        "x-forwarded-uri": call.uri,
        "x-forwarded-host": f"{api}.example.com",
        "user-agent": "demo",
        "authorization": f"Bearer {token}",
    }
    return {
        "type": "http",
        "method": "GET",
        "path": f"/v1/verify/{api}",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", settings.GATEWAY_PORT),
    }


async def _ignore(message: Mapping[str, Any]) -> None:
    """The answer is for the proxy; what matters here is the row."""
