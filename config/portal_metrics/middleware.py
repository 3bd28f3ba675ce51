"""Count every request, and answer /metrics to clients that send METRICS_TOKEN."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from audit.trail.record import event_recorded
from config.portal_metrics import counters
from config.portal_metrics.database import InstallationCollector
from core.mail import mail_delivered

Handler = Callable[[HttpRequest], HttpResponse]
PATH = "/metrics"


class RequestMetrics:
    """Count requests by route and status class, and measure their duration."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.view_name if match else counters.NO_ROUTE
        counters.count_request(route, response.status_code, time.perf_counter() - began)
        return response


class MetricsEndpoint:
    """Answer /metrics before the host name or the session is looked at. Without METRICS_TOKEN there is no such page."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info != PATH or not settings.METRICS_TOKEN:
            return self.get_response(request)
        header = request.headers.get("Authorization", "")
        if not constant_time_compare(header, f"Bearer {settings.METRICS_TOKEN}"):
            body = "Send METRICS_TOKEN as Authorization: Bearer.\n"
            return HttpResponse(body, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        registry = CollectorRegistry()
        registry.register(counters.PortalCollector())
        registry.register(InstallationCollector())
        headers = {"Cache-Control": "no-store"}
        return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4, headers=headers)


@receiver(event_recorded)
def count_event(name: str, **_: Any) -> None:
    counters.count_event(name)


@receiver(mail_delivered)
def count_mail(failed: bool, **_: Any) -> None:
    counters.count_mail("failed" if failed else "sent")
