"""Logging through structlog to standard error, redacted: JSON in production, readable text in the demo."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import MutableMapping
from logging.config import dictConfig
from typing import Any

from core.redaction import REDACTED, redact
from core.without_module import without_module

# structlog imports rich where it is installed, as it is beside a developer's tools: a tenth of a second for each
# command, to print tracebacks as no installation prints them.
with without_module("rich"):
    import structlog

# The URL of an invitation or of shared documentation is what opens it.
_LINK_TOKEN = re.compile(r"(/(?:docs|invitation)/)[\w-]{40,}")


def redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Redact tokens in every text of a log event, nested ones too. Runs after tracebacks have become text."""
    return {key: _redact_value(value) for key, value in event.items()}


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return _LINK_TOKEN.sub(rf"\1{REDACTED}", redact(value))
    if isinstance(value, dict):
        return {key: _redact_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redact_value(item) for item in value]
    return value if isinstance(value, int | float | bool | None) else redact(str(value))


class RefusalFilter(logging.Filter):
    """Log a request that is answered 4xx, or has an unknown host, as a one-line warning. Tracebacks are for bugs."""

    def filter(self, record: logging.LogRecord) -> bool:
        refused = getattr(record, "status_code", 500) < 500 or record.name.startswith("django.security")
        if refused:
            record.exc_info, record.exc_text = None, None
            if record.levelno > logging.WARNING:
                record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


class HealthCheckFilter(logging.Filter):
    """Leave out Django's line for each health check that fails: config/health.py logs why, once."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(getattr(record, "request", None), "path", "").startswith("/health/")


class RateLimitFilter(logging.Filter):
    """Pass LIMIT lines of one cause in each WINDOW_SECONDS and count the others.

    The next line that passes has their number in `repeated`. A flood of one cause neither fills the disk nor hides
    other causes.
    """

    LIMIT = 20
    WINDOW_SECONDS = 60.0
    MAX_CAUSES = 1_000

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        # By cause: the start of its window, its lines since then, and the lines suppressed before.
        self._causes: dict[tuple[object, ...], tuple[float, int, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        cause, now = _get_cause(record), time.monotonic()
        with self._lock:
            began, count, suppressed = self._causes.get(cause, (now, 0, 0))
            if now - began >= self.WINDOW_SECONDS:
                began, count, suppressed = now, 0, max(0, count - self.LIMIT)
            count += 1
            if len(self._causes) >= self.MAX_CAUSES and cause not in self._causes:
                self._causes.clear()
            self._causes[cause] = (began, count, 0 if count == 1 else suppressed)
        if count == 1 and suppressed:
            _set_repeated(record, suppressed)
        return count <= self.LIMIT


def _get_cause(record: logging.LogRecord) -> tuple[object, ...]:
    """Return what distinguishes causes of log lines: the text before its values, and where an error arose."""
    text = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
    error = record.exc_info[1] if isinstance(record.exc_info, tuple) else None
    trace = error.__traceback__ if error else None
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = (type(error), trace.tb_frame.f_code.co_filename, trace.tb_lineno) if error and trace else ()
    return record.name, record.levelno, getattr(record, "status_code", None), text, *place


def _set_repeated(record: logging.LogRecord, suppressed: int) -> None:
    if isinstance(record.msg, dict):
        record.msg["repeated"] = suppressed
    else:
        record.msg, record.args = f"{record.getMessage()} (repeated {suppressed} times)", ()


SHARED_PROCESSORS: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def build_logging_config(*, json: bool) -> dict[str, Any]:
    """Return Django's LOGGING: one handler for everything, the libraries' own loggers included."""
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED_PROCESSORS,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    redact_event,
                    renderer,
                ],
            }
        },
        "filters": {
            "health_checks": {"()": HealthCheckFilter},
            "refusals": {"()": RefusalFilter},
            "bounded": {"()": RateLimitFilter},
        },
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "structured",
                "filters": ["health_checks", "refusals", "bounded"],
            }
        },
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "keyward": {"level": "INFO"},
            "django": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.server": {"handlers": [], "propagate": True},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    dictConfig(settings)
    logging.captureWarnings(True)
    structlog.configure(
        processors=[*SHARED_PROCESSORS, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
