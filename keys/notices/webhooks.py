"""Send the notices that wait for webhook endpoints: several endpoints at once, each of them in turn.

Threads send and know no database; the caller's thread claims and writes down. A dead endpoint costs each run one
timeout, a slow one at most MAX_SECONDS_PER_ENDPOINT, in one of MAX_PARALLEL places.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Now

from core.actor import Actor
from core.sealing import SealBroken
from keys.notices.endpoint_secrets import open_secrets
from keys.notices.http import NotSent, post
from keys.notices.models import Delivery, Endpoint
from keys.notices.services import endpoints, queue
from keys.notices.signature import build_headers
from keys.notices.words import format_instant

MAX_PARALLEL = 8
MAX_CLAIMED = 100
MAX_SECONDS_PER_ENDPOINT = 20.0
UNREADABLE_SECRET = "The signing secret cannot be read. Rotate it."  # noqa: S105 - words


class Outcome(NamedTuple):
    """What became of a delivery: the status, if there was an answer; else the error."""

    delivery: Delivery
    status: int | None
    error: str


class Result(NamedTuple):
    """What became of an endpoint's deliveries; `unsent` were not tried for want of time."""

    outcomes: Sequence[Outcome]
    unsent: Sequence[Delivery]


def send_webhooks(by: Actor) -> int:
    """Send the notices that are due, and return how many were taken. Those that are not are tried again later."""
    delivered = 0
    with ThreadPoolExecutor(MAX_PARALLEL) as pool:
        running: dict[Future[Result], Endpoint] = {}
        for endpoint in _list_endpoints():
            if len(running) == MAX_PARALLEL:
                delivered += _settle_finished(running, by)
            if claimed := queue.claim(Delivery.objects.filter(endpoint=endpoint), MAX_CLAIMED):
                try:
                    secrets = open_secrets(endpoint)
                except SealBroken:
                    _settle(endpoint, Result([Outcome(each, None, UNREADABLE_SECRET) for each in claimed], ()), by)
                    continue
                running[pool.submit(_send_all, endpoint.url, secrets, claimed)] = endpoint
        while running:
            delivered += _settle_finished(running, by)
    return delivered


def build_body(delivery: Delivery) -> bytes:
    """Return the body of the message, the same for each attempt."""
    notice = delivery.notice
    content: dict[str, Any] = {
        "type": notice.kind,
        "timestamp": format_instant(notice.created_at.astimezone(UTC)),
        "account": notice.account.slug,
        "data": notice.data,
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


def _list_endpoints() -> QuerySet[Endpoint]:
    """Return the endpoints for which something is due, those that work before those that do not."""
    due = Delivery.objects.filter(endpoint=OuterRef("pk"), next_attempt_at__lte=Now())
    found = Endpoint.objects.filter(Exists(due), enabled=True).select_related("account")
    return found.order_by(F("failing_since").asc(nulls_first=True), "pk")


def _send_all(url: str, secrets: Sequence[str], deliveries: Sequence[Delivery]) -> Result:
    """Send each in turn. Where no answer comes, the others fail alike: they would only wait as long."""
    outcomes, deadline = list[Outcome](), time.monotonic() + MAX_SECONDS_PER_ENDPOINT
    for number, delivery in enumerate(deliveries):
        if time.monotonic() > deadline:
            return Result(outcomes, deliveries[number:])
        try:
            status = _send(url, secrets, delivery)
        except NotSent as error:
            outcomes += [Outcome(each, None, str(error)) for each in deliveries[number:]]
            return Result(outcomes, ())
        outcomes.append(Outcome(delivery, status, _explain(status)))
    return Result(outcomes, ())


def _send(url: str, secrets: Sequence[str], delivery: Delivery) -> int:
    body = build_body(delivery)
    message_id, timestamp = f"msg_{delivery.notice_id.hex}", int(time.time())
    headers = build_headers(secrets, message_id=message_id, timestamp=timestamp, body=body)
    headers |= {"Content-Type": "application/json", "User-Agent": f"Keyward/{settings.VERSION}"}
    return post(url, body, headers, settings.WEBHOOK_ALLOWED_NETWORKS)


def _explain(status: int) -> str:
    """Return why the status is no delivery; empty if it is one."""
    if 200 <= status < 300:
        return ""
    return f"Answered {status}. Redirects are not followed." if 300 <= status < 400 else f"Answered {status}."


def _settle_finished(running: dict[Future[Result], Endpoint], by: Actor) -> int:
    """Wait for at least one endpoint, write down its results, and return how many of its notices were taken."""
    finished, _ = wait(running, return_when=FIRST_COMPLETED)
    return sum(_settle(running.pop(future), future.result(), by) for future in finished)


def _settle(endpoint: Endpoint, result: Result, by: Actor) -> int:
    queue.release(deliveries=result.unsent)
    delivered = 0
    for (status, error), deliveries in _group(result.outcomes):
        if not error:
            queue.mark_delivered(deliveries=deliveries, status=status)
            endpoints.mark_working(endpoint)
            delivered += len(deliveries)
            continue
        target = endpoints.build_endpoint_target(endpoint)
        if queue.mark_failed(deliveries=deliveries, error=error, status=status, recipient=target, by=by):
            endpoints.mark_failing(endpoint=endpoint, error=error, by=by)
    return delivered


def _group(outcomes: Sequence[Outcome]) -> Iterator[tuple[tuple[int | None, str], list[Delivery]]]:
    """Yield the deliveries that ended alike, in the order of the first of each."""
    groups: dict[tuple[int | None, str], list[Delivery]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.status, outcome.error), []).append(outcome.delivery)
    yield from groups.items()
