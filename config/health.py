"""Liveness and readiness of the portal, for any host name, and cheap at any rate of requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.trail.last_verification import STATE_QUERY, parse_last_verification
from config.serve import stop_notice
from config.static_build import is_collected
from core.page_guard import public
from core.replica import is_replica_unavailable

logger = structlog.get_logger("keyward.portal")
Handler = Callable[[HttpRequest], HttpResponse]

# Seconds between two probes of a process, however many requests come.
PROBE_INTERVAL_SECONDS = 1.0
# A sort that exceeds its memory writes a file, so that a full disk is noticed before a change fails.
WRITE_PROBE = """
    SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::bool, count(filling)
    FROM (SELECT n, repeat('-', 200) AS filling FROM generate_series(1, 1000) AS n ORDER BY -n OFFSET 0) AS sorted
"""


@dataclass(frozen=True, slots=True)
class PortalReadiness:
    """`reason_not_ready` says why the portal cannot work and is empty if it can; `warnings` name what else needs
    attention."""

    reason_not_ready: str = ""
    warnings: tuple[str, ...] = ()


class CachedProbe:
    """Shares one result for PROBE_INTERVAL_SECONDS; while one request probes, the others get the previous result. Logs
    each change of it, in the place of a line for each request."""

    def __init__(self, check: Callable[[], PortalReadiness]) -> None:
        self._check = check
        self._check_lock = threading.Lock()
        self._result: PortalReadiness | None = None
        self._valid_until = 0.0

    def get(self) -> PortalReadiness:
        if self._result is not None and time.monotonic() < self._valid_until:
            return self._result
        if not self._check_lock.acquire(blocking=self._result is None):
            assert self._result is not None
            return self._result
        try:
            if self._result is None or time.monotonic() >= self._valid_until:
                previous, self._result = self._result, self._check()
                _log_change(previous.reason_not_ready if previous else "", self._result.reason_not_ready)
                self._valid_until = time.monotonic() + PROBE_INTERVAL_SECONDS
            return self._result
        finally:
            self._check_lock.release()


def _log_change(before: str, now: str) -> None:
    if now and now != before:
        logger.error("the portal is not ready", detail=now)
    elif before and not now:
        logger.info("the portal is ready again")


def check_readiness() -> PortalReadiness:
    """Return whether database, replica and static files let the portal work."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL work_mem = '64kB'")
            cursor.execute(WRITE_PROBE)
            read_only = cursor.fetchone()[0]
            cursor.execute("SELECT app, name FROM django_migrations")
            applied = set(cursor.fetchall())
            if missing := sorted(_list_migrations() - applied):
                first = ".".join(missing[0])
                behind = f"the schema is behind: {len(missing)} migrations are pending, the first is {first}"
                return PortalReadiness(behind)
            cursor.execute(f"SELECT ({STATE_QUERY}), extract(epoch FROM now())::float8")
            verification, now = cursor.fetchone()
    except DatabaseError as error:
        return PortalReadiness(f"the database does not answer, or has no room: {str(error).splitlines()[0][:200]}")
    if read_only:
        return PortalReadiness("the database is read-only")
    if settings.PRODUCTION and not _has_current_static_files():
        return PortalReadiness("the static files are not collected")
    warnings = {
        "the replica does not answer: pages read the primary": is_replica_unavailable(),
        "maintain has not run for two hours": parse_last_verification(verification).is_late(now),
    }
    return PortalReadiness(warnings=tuple(text for text, applies in warnings.items() if applies))


@cache
def _list_migrations() -> set[tuple[str, str]]:
    return set(MigrationLoader(None, ignore_no_migrations=True).disk_migrations)


@cache
def _has_current_static_files() -> bool:
    """Return whether the static files that were read at the start are those of this version."""
    return is_collected()


PROBE = CachedProbe(check_readiness)


@public("a supervisor has no user; it says nothing but that the process answers")
@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("live\n", content_type="text/plain")


@public("a supervisor has no user; it says whether the portal can work, and nothing of anybody")
@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    if stop_notice.is_stopping():
        return HttpResponse("the portal is stopping\n", status=503, content_type="text/plain")
    result = PROBE.get()
    if result.reason_not_ready:
        return HttpResponse(f"{result.reason_not_ready}\n", status=503, content_type="text/plain")
    return HttpResponse("\n".join(["ready", *result.warnings, ""]), content_type="text/plain")


class HealthChecks:
    """Answers health checks before the host name, the session or the user is looked at."""

    VIEWS: ClassVar[dict[str, Callable[..., HttpResponseBase]]] = {"/health/live": live, "/health/ready": ready}

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.VIEWS.get(request.path_info, self.get_response)(request)
