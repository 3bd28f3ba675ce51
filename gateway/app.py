"""The gateway application: verification, who-am-I and health requests of proxies. Uses no session, cookie or Django
request."""

from __future__ import annotations

import asyncio
import gc
import hmac
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from gateway import dialects, responses
from gateway.database_history import DatabaseHistory
from gateway.decide import UNKNOWN_API
from gateway.error_log import ERROR, report
from gateway.group_commit import GroupCommit
from gateway.http.messages import Application, Reply, Request, Response
from gateway.last_refusal import ExplanationUnavailable, LastRefusals, is_asked_for
from gateway.libpq.database import connect
from gateway.metrics import Metrics
from gateway.metrics_endpoint import MetricsEndpoint
from gateway.overlap_worker import EndOverlap, OverlapWorker
from gateway.readiness import STOPPING, ReadinessProbe, ReadinessState
from gateway.snapshot import Snapshot
from keys.decision.access import Api, Decision
from keys.decision.addresses import Network

VERIFY_PATH = b"/v1/verify/"
ENVOY_PATH = b"/v1/envoy/"
WHOAMI_PATH = b"/v1/whoami/"

# Objects that wait for a collection of the youngest generation, and collections until one of the next. Calls leave no
# cycles: with Python's own 700, 10, 10, looking through those under way took a twentieth of a busy process's time.
GC_THRESHOLDS = (20_000, 50, 100)


class Gateway:
    """The gateway of one process.

    `secrets` maps the name of a proxy to the secret that authenticates it. `signing_keys` open the stored secrets that
    clients sign with. `metrics_port` serves the metrics only. `replica` is the conninfo of the replica that readiness
    checks, if there is one; `migrations` are those that must be applied for the gateway to be ready. `is_stopping`
    returns whether the process will end soon: then it is not ready, and answers calls.
    """

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
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._secrets = [(name, secret.encode()) for name, secret in secrets.items()]
        self._trusted = trusted_proxies
        self._is_stopping = is_stopping
        self.metrics, self._metrics_port = Metrics(), metrics_port
        self._history = DatabaseHistory()
        self._readiness = ReadinessProbe(
            lambda: connect(conninfo, pooled=pooled),
            history=self._history,
            connect_replica=None if replica is None else lambda: connect(replica, pooled=pooled),
            migrations=migrations,
        )
        self._last_refusals = LastRefusals(lambda: connect(conninfo, pooled=pooled))
        self._explaining: set[asyncio.Task[None]] = set()
        self.group_commit = GroupCommit(
            connect=lambda: connect(conninfo, pooled=pooled),
            peppers=peppers,
            metrics=self.metrics,
            snapshot=Snapshot(signing_keys=signing_keys, history=self._history),
            overlaps=OverlapWorker(end_overlap),
        )

    def use_shared_row(self, row: int) -> None:
        """Continue the counts, and what was seen of the database, of the process that had this row before."""
        self.metrics.use_shared_row(row)
        self._history.use_shared_row(row)

    def get_application(self, port: int | None) -> Application:
        """Return the application that serves a port, or the Unix socket (None)."""
        return self if port is None or port != self._metrics_port else MetricsEndpoint(self._readiness)

    async def start(self, *, is_only_process: bool = True) -> None:
        """Start the group commit in the running event loop. `is_only_process`: no other gateway process runs on this
        machine."""
        self.group_commit.is_only_process = is_only_process
        self._commit_task = asyncio.create_task(self.group_commit.run())
        self._commit_task.add_done_callback(_report_error)
        # Everything allocated so far lives until the end: exempt it from garbage collection.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)

    @property
    def failure(self) -> Exception | None:
        """Return why this process answers no call any more, whatever the database does, or None. Only replacing the
        process helps then."""
        if self._commit_task.done():
            return RuntimeError("the group commit has ended")
        return TimeoutError("a batch does not end") if self.group_commit.is_stuck else None

    async def is_ready(self) -> bool:
        """Return whether a call could be answered now."""
        state: asyncio.Future[ReadinessState] = asyncio.get_running_loop().create_future()
        self._readiness.get_state(state.set_result)
        return not (await state).cause

    async def stop(self, timeout_seconds: float) -> None:
        """Accept no more calls, and wait for those accepted before, at most `timeout_seconds`."""
        self.group_commit.stop()
        await asyncio.wait([self._commit_task, *self._explaining], timeout=timeout_seconds)
        await self._last_refusals.close()

    def __call__(self, request: Request, reply: Reply) -> None:
        """Answer a request by `reply`, at once or when its log row is committed. An error becomes a refusal."""
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
            if self._is_stopping():
                reply(ReadinessState(STOPPING).response)
            else:
                self._readiness.get_state(lambda state: reply(state.response))
        else:
            reply.mark_unauthenticated()
            reply(responses.build_json_response(404, {"code": "not_found"}))

    def _verify_envoy(self, request: Request, reply: Reply) -> None:
        """Verify `/v1/envoy/<api-slug><original path>`, with the path as it was sent: a decoded path could be another
        one."""
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
            response = self._build_response(decision, api, began)
            if whoami and response.status == 200 and is_asked_for(call.sent_query):
                self._explain(decision, response, reply)
            else:
                reply(response)

        self.group_commit.submit(slug.decode("latin-1"), call, "" if readable else "unreadable_request", on_decision)

    def _explain(self, decision: Decision, response: Response, reply: Reply) -> None:
        """Add to the response, which tells the holder what the key is, why its last refused call was refused."""
        task = asyncio.create_task(self._reply_with_last_refusal(decision, response, reply))
        self._explaining.add(task)
        task.add_done_callback(self._explaining.discard)

    async def _reply_with_last_refusal(self, decision: Decision, response: Response, reply: Reply) -> None:
        key = decision.key
        with suppress(ExplanationUnavailable):
            if key is not None:
                response = responses.add_last_refusal(response, await self._last_refusals.find(key.public_id))
        reply(response)

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
        """Return the name of the proxy that sent the request, None if its secret is wrong. Whoever can open the Unix
        socket is trusted: its file mode decides who that is."""
        if request.local:
            return "socket"
        claimed = proxy_headers.headers.get(dialects.SECRET_HEADER, "").encode("latin-1")
        name_of_proxy = None
        for name, secret in self._secrets:
            if hmac.compare_digest(claimed, secret):
                name_of_proxy = name
        return name_of_proxy


def _report_error(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        report(ERROR, "gateway.failed", error, traceback=True)
