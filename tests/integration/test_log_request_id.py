"""The request's ID in log lines, Django's own after the middleware included."""

from __future__ import annotations

import logging
from typing import Any

import structlog
from django.core.signals import request_finished
from django.test import Client


def test_the_line_of_a_refusal_names_its_request(client: Client, db: None) -> None:
    seen: list[dict[str, Any]] = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(structlog.contextvars.get_contextvars())  # type: ignore[method-assign]
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        answer = client.get("/nothing/")
    finally:
        logger.removeHandler(handler)
    assert answer.status_code == 404
    assert seen == [{"request_id": answer.headers["X-Request-Id"]}]
    request_finished.send(sender=None)
    assert structlog.contextvars.get_contextvars() == {}
