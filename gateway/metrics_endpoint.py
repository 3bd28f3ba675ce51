"""`/metrics` on a port of its own: the counters of the gateway and the state of the database."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from gateway.http.messages import Reply, Request, Response, format_header_line
from gateway.metrics import GatewayCollector
from gateway.readiness import ReadinessProbe, ReadinessState

_PLAIN = format_header_line(b"content-type", b"text/plain; charset=utf-8")


class MetricsEndpoint:
    """The application of the metrics port."""

    def __init__(self, readiness: ReadinessProbe) -> None:
        self._readiness = readiness

    def __call__(self, request: Request, reply: Reply) -> None:
        reply.mark_unauthenticated()
        if request.target.partition(b"?")[0] != b"/metrics":
            reply(Response(404, _PLAIN, b"The metrics are at /metrics.\n"))
            return
        self._readiness.get_state(lambda state: reply(_render(state)))


def _render(state: ReadinessState) -> Response:
    registry = CollectorRegistry()
    registry.register(GatewayCollector())
    registry.register(DatabaseCollector(state))
    return Response(
        200, format_header_line(b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode()), generate_latest(registry)
    )


class DatabaseCollector:
    """Collects the result of the last readiness probe for prometheus-client."""

    def __init__(self, state: ReadinessState) -> None:
        self._state = state

    def collect(self) -> Iterable[Metric]:
        state = self._state
        yield GaugeMetricFamily("keyward_database_up", "Whether the database answers", value=state.database_up)
        yield GaugeMetricFamily("keyward_gateway_ready", "Whether a call could be answered", value=not state.cause)
        if state.cause:
            return
        yield GaugeMetricFamily(
            "keyward_missing_partitions",
            "Months, of this one and the next, whose rows go to the DEFAULT partition",
            value=len(state.missing_partitions),
        )
        if state.replica_up is not None:
            yield GaugeMetricFamily("keyward_replica_up", "Whether the replica answers", value=state.replica_up)
        yield GaugeMetricFamily(
            "keyward_maintain_late", "Whether maintain has missed two hours", value=state.maintain_late
        )
        yield GaugeMetricFamily(
            "keyward_tampering_findings", "Findings of verifications that are not acknowledged", value=state.findings
        )
