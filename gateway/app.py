"""The gateway: what proxies ask about every call. No session, no cookies, no Django request."""

from __future__ import annotations

import asyncio
import gc
import hmac
import time
from collections.abc import Collection, Mapping, Sequence

from gateway import dialects, responses
from gateway.decide import UNKNOWN_API
from gateway.error_log import ERROR, report
from gateway.group_commit import GroupCommit
from gateway.http.messages import Application, Reply, Request, Response
from gateway.libpq.database import connect
from gateway.metrics import Metrics
from gateway.metrics_endpoint import MetricsEndpoint
from gateway.overlap_worker import EndOverlap, OverlapWorker
from gateway.readiness import ReadinessProbe
from gateway.snapshot import Snapshot
from keys.decision.access import Api, Decision
from keys.decision.addresses import Network

VERIFY_PATH = b"/v1/verify/"
ENVOY_PATH = b"/v1/envoy/"
WHOAMI_PATH = b"/v1/whoami/"


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
        self._readiness = ReadinessProbe(
            lambda: connect(conninfo, pooled=pooled),
            connect_replica=None if replica is None else lambda: connect(replica, pooled=pooled),
            migrations=migrations,
        )
        self.group_commit = GroupCommit(
            connect=lambda: connect(conninfo, pooled=pooled),
            peppers=peppers,
            metrics=self.metrics,
            snapshot=Snapshot(signing_keys=signing_keys),
            overlaps=OverlapWorker(end_overlap),
        )

    def get_application(self, port: int | None) -> Application:
        """What answers on a port; None is the Unix socket."""
        return self if port is None or port != self._metrics_port else MetricsEndpoint(self._readiness)

    async def start(self, *, is_only_process: bool = True) -> None:
        """`alone`: no other process of the gateway runs beside this one."""
        self.group_commit.is_only_process = is_only_process
        self._commit_task = asyncio.create_task(self.group_commit.run())
        # What is here now stays until the end: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()

    async def stop(self, timeout_seconds: float) -> None:
        """Answer what was taken. Takes nothing new."""
        self.group_commit.stop()
        await asyncio.wait([self._commit_task], timeout=timeout_seconds)

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answer by `reply`, at once or once the row is committed. Whatever goes wrong here is a refusal."""
        try:
            self._respond(request, reply)
        except Exception as error:
            report(ERROR, "gateway.failed", error, traceback=True)
            reply(responses.build_refusal("unavailable"))

    def _respond(self, request: Request, reply: Reply) -> None:
        path = request.target.partition(b"?")[0]
        if path.startswith(VERIFY_PATH):
            self._verify(request, path[len(VERIFY_PATH) :], request.headers, reply)
        elif path.startswith(ENVOY_PATH):
            self._verify_envoy(request, reply)
        elif path.startswith(WHOAMI_PATH):
            headers = dialects.translate_whoami_headers(request.method, request.target, request.headers)
            self._verify(request, path[len(WHOAMI_PATH) :], headers, reply, whoami=True)
        elif path == b"/health/live":
            reply.mark_unauthenticated()
            reply(responses.build_json_response(200, {"status": "live"}))
        elif path == b"/health/ready":
            reply.mark_unauthenticated()
            self._readiness.get_state(lambda state: reply(state.response))
        else:
            reply.mark_unauthenticated()
            reply(responses.build_json_response(404, {"code": "not_found"}))

    def _verify_envoy(self, request: Request, reply: Reply) -> None:
        """`/v1/envoy/<api-slug><original path>`. The path is taken as it was sent: a decoded one is another one."""
        slug, slash, rest = request.target[len(ENVOY_PATH) :].partition(b"/")
        self._verify(
            request, slug, dialects.translate_envoy_headers(request.method, slash + rest, request.headers), reply
        )

    def _verify(
        self, request: Request, slug: bytes, headers: dialects.Headers, reply: Reply, *, whoami: bool = False
    ) -> None:
        began = time.monotonic()
        proxy_headers = dialects.parse_headers(headers)
        proxy = self._get_proxy(request, proxy_headers)
        if proxy is None:
            self.metrics.observe_decision("gateway_secret", 0.0)
            reply.mark_unauthenticated()
            reply(responses.build_refusal("gateway_secret"))
            return
        call, readable = dialects.parse_original_call(proxy_headers, proxy=proxy, trusted=self._trusted, whoami=whoami)

        def on_decision(decision: Decision, api: Api | None) -> None:
            reply(self._build_response(decision, api, began))

        self.group_commit.submit(slug.decode("latin-1"), call, "" if readable else "unreadable_request", on_decision)

    def _build_response(self, decision: Decision, api: Api | None, began: float) -> Response:
        try:
            self.metrics.observe_decision(decision.reason, time.monotonic() - began)
            if decision.reason == UNKNOWN_API:
                return responses.build_refusal(UNKNOWN_API)
            return responses.build_response(decision, api)
        except Exception as error:
            report(ERROR, "gateway.failed", error, traceback=True)
            return responses.build_refusal("unavailable")

    def _get_proxy(self, request: Request, proxy_headers: dialects.ProxyHeaders) -> str | None:
        """The name of the proxy that proved itself; whoever can reach the Unix socket has done so."""
        if request.local:
            return "socket"
        claimed = proxy_headers.headers.get(dialects.SECRET_HEADER, "").encode("latin-1")
        name_of_proxy = None
        for name, secret in self._secrets:
            if hmac.compare_digest(claimed, secret):
                name_of_proxy = name
        return name_of_proxy
