"""The gateway: an ASGI application that proxies ask about every call. No session, no cookies, no Django request."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gateway import dialects, health, responses
from gateway.batch import UNKNOWN_API, Batch
from gateway.connection import connect
from keys.addresses import Network

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]

VERIFY = "/v1/verify/"
ENVOY = b"/v1/envoy/"


class Gateway:
    """One process's gateway. `secrets` maps a proxy's name to what it proves itself with."""

    def __init__(
        self,
        *,
        conninfo: str,
        peppers: Mapping[int, bytes],
        secrets: Mapping[str, str],
        trusted_proxies: Sequence[Network] = (),
        pooled: bool = False,
    ) -> None:
        self._secrets = [(name, secret.encode()) for name, secret in secrets.items()]
        self._trusted = trusted_proxies
        self._connect = lambda: connect(conninfo, pooled=pooled)
        self.batch = Batch(connect=self._connect, peppers=peppers)
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: responses.Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            response = await self._respond(scope)
            await response.send(send)

    async def _respond(self, scope: Scope) -> responses.Response:
        path: str = scope["path"]
        if path.startswith(VERIFY):
            return await self._verify(scope, path[len(VERIFY) :], scope["headers"])
        if scope.get("raw_path", b"").startswith(ENVOY):
            return await self._envoy(scope)
        if path == "/health/live":
            return responses.document(200, {"status": "live"})
        if path == "/health/ready":
            return await health.ready(self._connect)
        return responses.document(404, {"code": "not_found"})

    async def _envoy(self, scope: Scope) -> responses.Response:
        """`/v1/envoy/<api-slug><original path>`. The path is taken as it was sent: a decoded one is another one."""
        slug, slash, rest = scope["raw_path"][len(ENVOY) :].partition(b"/")
        target = slash + rest
        if scope["query_string"]:
            target += b"?" + scope["query_string"]
        headers = dialects.from_envoy(scope["method"], target, scope["headers"])
        return await self._verify(scope, slug.decode("latin-1"), headers)

    async def _verify(self, scope: Scope, api_slug: str, headers: dialects.Headers) -> responses.Response:
        asked = dialects.read(headers)
        proxy = self._proxy(scope, asked)
        if proxy is None:
            return responses.refusal("gateway_secret")
        call, readable = dialects.original_call(asked, proxy=proxy, trusted=self._trusted)
        decision, api = await self.batch.submit(api_slug, call, "" if readable else "unreadable_request")
        if decision.reason == UNKNOWN_API:
            return responses.refusal(UNKNOWN_API)
        return responses.answer(decision, api)

    def _proxy(self, scope: Scope, asked: dialects.Read) -> str | None:
        """The name of the proxy that proved itself; whoever can reach the Unix socket has done so."""
        if scope.get("client") is None and scope.get("server", (None, 0))[1] is None:
            return "socket"
        claimed = asked.headers.get(dialects.SECRET, "").encode("latin-1")
        proved = None
        for name, secret in self._secrets:
            if hmac.compare_digest(claimed, secret):
                proved = name
        return proved

    async def _lifespan(self, receive: Receive, send: responses.Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._running = asyncio.create_task(self.batch.run())
                # What is here now stays until the end: the collector need not look at it again and again.
                gc.collect()
                gc.freeze()
                await send({"type": "lifespan.startup.complete"})
            else:
                self.batch.stop()
                if self._running is not None:
                    with contextlib.suppress(asyncio.TimeoutError):
                        await asyncio.wait_for(self._running, 10)
                await send({"type": "lifespan.shutdown.complete"})
                return
