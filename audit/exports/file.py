"""One export from its start to its end, each an event."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import policy
from accounts.models import Account
from accounts.permissions import Permission
from audit import selectors
from audit.actor import Actor
from audit.exports.formats import FORMATS
from audit.exports.sheet import LONGEST_CELL, MOST_ROWS
from audit.filters import LogFilter
from audit.phones import Mask
from audit.record import record
from audit.tables import Table

logger = logging.getLogger(__name__)

# Each holds one of a process's threads for minutes; the rest stay for pages.
AT_ONCE = 4
_slots = threading.BoundedSemaphore(AT_ONCE)


class Busy(Exception):
    """As many exports are being made here as may be."""


class TooManyRows(Exception):
    """More than a sheet of XLSX holds."""


class CellTooLong(Exception):
    """A sheet's cell cannot hold what is logged."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be made: which log, whose, by which filters, in which format; `started` is the event's number."""

    table: Table
    account: Account
    filters: LogFilter
    format: str
    bom: bool
    by: Actor
    started: int


class Export:
    """The bytes of the file, once. What ends it, good or bad, is an event; a bad end is raised, so that the server cuts
    the connection and nobody takes a part for the whole. Close it at the end."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.rows, self.digest, self.ended = 0, hashlib.sha256(), False
        self._stream = self._told()
        self._first = b""

    def begin(self) -> None:
        """Make the first block, which may be empty, so that what a format cannot hold is known before anything is
        sent."""
        self._first = next(self._stream)

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._stream

    def close(self) -> None:
        """Called by the server when it is done with the answer, however much of it was sent."""
        self._stream.close()
        if not self.ended:
            self._end("export.incomplete", reason="the download was broken off")

    def _told(self) -> Generator[bytes, None, None]:
        try:
            for block in self._blocks():
                self.digest.update(block)
                yield block
        except GeneratorExit:
            raise  # by close()
        except BaseException as error:
            self._end("export.incomplete", reason=f"{type(error).__name__} in the server")
            raise
        self._end("export.finished", sha256=self.digest.hexdigest())

    def _blocks(self) -> Iterator[bytes]:
        asked = self.asked
        mask = Mask.of(asked.account)
        return FORMATS[asked.format][2](asked.table, asked.filters.found, mask, asked.bom, self._count)

    def _count(self, rows: int) -> None:
        self.rows += rows

    def _end(self, name: str, **data: str) -> None:
        self.ended = True
        _slots.release()
        asked = self.asked
        told: dict[str, Any] = {"log": asked.table.name, "format": asked.format, "started": asked.started, **data}
        try:
            with transaction.atomic():
                record(name, by=asked.by, account_id=asked.account.pk, rows=self.rows, **told)
        except Exception:
            if name == "export.finished":
                raise
            # The first error matters more; in the trail an export.started that nothing ends says the same.
            logger.exception("export.incomplete could not be recorded")


def export(
    *, by: Actor, account: Account, table: Table, filters: LogFilter, format: str, bom: bool = False
) -> tuple[str, Export]:
    """File name and content of what the filters let through; `export.started` is committed.

    Raises Denied, Busy, TooManyRows, CellTooLong.
    """
    policy.require(by, Permission.LOG_EXPORT, account=account)
    if format == "xlsx":
        if filters.found[MOST_ROWS : MOST_ROWS + 1].exists():
            raise TooManyRows
        if table.longest and filters.found.filter(**{f"{table.longest}__length__gt": LONGEST_CELL}).exists():
            raise CellTooLong
    if not _slots.acquire(blocking=False):
        raise Busy
    try:
        with transaction.atomic():
            policy.require(by, Permission.LOG_EXPORT, account=account)
            told: dict[str, Any] = {"log": table.name, "format": format, "filters": filters.active}
            started = selectors.number_of(record("export.started", by=by, account_id=account.pk, **told))
    except BaseException:
        _slots.release()
        raise
    made = Export(Asked(table, account, filters, format, bom, by, started))
    made.begin()
    return file_name(account.slug, table.slug, filters.since, filters.until or timezone.now(), format), made


def file_name(account: str, log: str, since: datetime | None, until: datetime, format: str) -> str:
    """Account, range and format, in characters that every file system takes."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", account)
    return f"keyward-{name}-{log}-{_stamp(since) if since else 'start'}-{_stamp(until)}.{format}"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
