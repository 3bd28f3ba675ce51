"""The gateway: what proxies ask about every call. No session, no cookies, no Django request."""

from __future__ import annotations

import asyncio
import gc
import hmac
import time
from collections.abc import Collection, Mapping, Sequence

from gateway import dialects, responses
from gateway.batch import Batch
from gateway.database import connect
from gateway.decide import UNKNOWN_API
from gateway.end_overlap import EndOverlap, Overlaps
from gateway.health import Readiness
from gateway.http.messages import Application, Reply, Request, Response
from gateway.log_lines import ERROR, report
from gateway.metrics import Metrics
from gateway.scrape import Scrape
from gateway.snapshot import Snapshot
from keys.decision.access import Api, Decision
from keys.decision.addresses import Network

VERIFY = b"/v1/verify/"
ENVOY = b"/v1/envoy/"
WHOAMI = b"/v1/whoami/"


class Gateway:
    """One process's gateway. `secrets` maps a proxy's name to what it proves itself with; `signing_keys` open what
    clients sign with. On `metrics_port` it answers with its metrics, and with nothing else. `replica` is how readiness
    reaches the replica, if there is one; `migrations` are those without which it is not ready."""

    def __init__(
        self,
        *,
        conninfo: str,
        peppers: Mapping[int, bytes],
        secrets: Mapping[str, str],
        trusted_proxies: Sequence[Network] = (),
        pooled: bool = False,
        metrics_port: int | None = None,
        signing_keys: Mapping[int, bytes] | None = None,
        end_overlap: EndOverlap | None = None,
        replica: str | None = None,
        migrations: Collection[str] = (),
    ) -> None:
        self._secrets = [(name, secret.encode()) for name, secret in secrets.items()]
        self._trusted = trusted_proxies
        self.metrics, self._metrics_port = Metrics(), metrics_port
        self._readiness = Readiness(
            lambda: connect(conninfo, pooled=pooled),
            connect_replica=None if replica is None else lambda: connect(replica, pooled=pooled),
            migrations=migrations,
        )
        self.batch = Batch(
            connect=lambda: connect(conninfo, pooled=pooled),
            peppers=peppers,
            metrics=self.metrics,
            snapshot=Snapshot(signing_keys=signing_keys),
            overlaps=Overlaps(end_overlap),
        )

    def at(self, port: int | None) -> Application:
        """What answers on a port; None is the Unix socket."""
        return self if port is None or port != self._metrics_port else Scrape(self._readiness)

    async def start(self, *, alone: bool = True) -> None:
        """`alone`: no other process of the gateway runs beside this one."""
        self.batch.alone = alone
        self._running = asyncio.create_task(self.batch.run())
        # What is here now stays until the end: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    async def stop(self, patience: float) -> None:
        """Answer what was taken. Takes nothing new."""
        self.batch.stop()
        await asyncio.wait([self._running], timeout=patience)

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answer by `reply`, at once or once the row is committed. Whatever goes wrong here is a refusal."""
        try:
            self._respond(request, reply)
        except Exception as error:
            report(ERROR, "gateway.failed", error, traceback=True)
            reply(responses.refusal("unavailable"))

    def _respond(self, request: Request, reply: Reply) -> None:
        path = request.target.partition(b"?")[0]
        if path.startswith(VERIFY):
            self._verify(request, path[len(VERIFY) :], request.headers, reply)
        elif path.startswith(ENVOY):
            self._envoy(request, reply)
        elif path.startswith(WHOAMI):
            headers = dialects.from_holder(request.method, request.target, request.headers)
            self._verify(request, path[len(WHOAMI) :], headers, reply, whoami=True)
        elif path == b"/health/live":
            reply.doubt()
            reply(responses.document(200, {"status": "live"}))
        elif path == b"/health/ready":
            reply.doubt()
            self._readiness.tell(lambda state: reply(state.response))
        else:
            reply.doubt()
            reply(responses.document(404, {"code": "not_found"}))

    def _envoy(self, request: Request, reply: Reply) -> None:
        """`/v1/envoy/<api-slug><original path>`. The path is taken as it was sent: a decoded one is another one."""
        slug, slash, rest = request.target[len(ENVOY) :].partition(b"/")
        self._verify(request, slug, dialects.from_envoy(request.method, slash + rest, request.headers), reply)

    def _verify(
        self, request: Request, slug: bytes, headers: dialects.Headers, reply: Reply, *, whoami: bool = False
    ) -> None:
        began = time.monotonic()
        asked = dialects.read(headers)
        proxy = self._proxy(request, asked)
        if proxy is None:
            self.metrics.decided("gateway_secret", 0.0)
            reply.doubt()
            reply(responses.refusal("gateway_secret"))
            return
        call, readable = dialects.original_call(asked, proxy=proxy, trusted=self._trusted, whoami=whoami)

        def tell(decision: Decision, api: Api | None) -> None:
            reply(self._answer(decision, api, began))

        self.batch.submit(slug.decode("latin-1"), call, "" if readable else "unreadable_request", tell)

    def _answer(self, decision: Decision, api: Api | None, began: float) -> Response:
        try:
            self.metrics.decided(decision.reason, time.monotonic() - began)
            if decision.reason == UNKNOWN_API:
                return responses.refusal(UNKNOWN_API)
            return responses.answer(decision, api)
        except Exception as error:
            report(ERROR, "gateway.failed", error, traceback=True)
            return responses.refusal("unavailable")

    def _proxy(self, request: Request, asked: dialects.Read) -> str | None:
        """The name of the proxy that proved itself; whoever can reach the Unix socket has done so."""
        if request.local:
            return "socket"
        claimed = asked.headers.get(dialects.SECRET, "").encode("latin-1")
        proved = None
        for name, secret in self._secrets:
            if hmac.compare_digest(claimed, secret):
                proved = name
        return proved
