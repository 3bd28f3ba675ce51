"""Export a log: events for the start and the end, and the stream of the file in between."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit.exports.columns import ExportTable
from audit.exports.formats import FORMATS
from audit.exports.manifest import FinishedExport, format_manifest
from audit.exports.statement import (
    MICROSECOND,
    STARTED,
    build_file_name,
    build_manifest_name,
    build_statement,
    describe_masking,
    get_export_number,
)
from audit.exports.xlsx import MAX_CELL_LENGTH, MAX_ROWS
from audit.exports.zip import stream_zip
from audit.models import Event
from audit.trail.record import record
from audit.trail.selectors import list_events
from core import authorization
from core.accounts import Account
from core.actor import Actor
from core.filters.time_range import LogFilter
from core.permissions import Permission
from core.phone_masking import Mask
from core.replica import get_replayed_until
from core.spreadsheets import PLAIN_CSV, CsvStyle

logger = logging.getLogger(__name__)

# An export may hold one of a process's threads for minutes; the others stay free for pages.
MAX_CONCURRENT_EXPORTS = 4
_slots = threading.BoundedSemaphore(MAX_CONCURRENT_EXPORTS)


class TooManyExports(Exception):
    """MAX_CONCURRENT_EXPORTS are running in this process."""


class TooManyRows(Exception):
    """There are more rows than a sheet of XLSX can hold."""


class CellTooLong(Exception):
    """A text is longer than a sheet's cell can hold."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export, of which rows, and the event that started it."""

    table: ExportTable
    rows: QuerySet[Any]
    mask: Mask | None
    format: str
    csv: CsvStyle
    zip: bool
    by: Actor
    started: Event


class Export:
    """The stream of the file, to be iterated once and closed. Its end is recorded, `export.finished` or
    `export.incomplete`. Errors are raised, so that the server cuts the connection and no part is taken for the
    whole."""

    def __init__(self, request: ExportRequest) -> None:
        self.request = request
        self.rows, self.digest, self.ended = 0, hashlib.sha256(), False
        self._stream = self._deliver()
        self._first = b""

    def begin(self) -> None:
        """Make the first block, which may be empty, so that errors of the format are raised before anything is sent."""
        self._first = next(self._stream)

    def __iter__(self) -> Iterator[bytes]:
        yield self._first
        yield from self._stream

    def close(self) -> None:
        """Record `export.incomplete` if the download was broken off. The server calls this however much it has sent."""
        self._stream.close()
        if not self.ended:
            self._record_end("export.incomplete", reason="the download was broken off")

    def _deliver(self) -> Generator[bytes, None, None]:
        started = self.request.started
        try:
            yield from (
                stream_zip(build_file_name(started), self._read_blocks(), self._build_manifest)
                if self.request.zip
                else self._read_blocks()
            )
        except GeneratorExit:
            raise  # by close()
        except BaseException as error:
            self._record_end("export.incomplete", reason=f"{type(error).__name__} in the server")
            raise
        self._record_end("export.finished", sha256=self.digest.hexdigest())

    def _read_blocks(self) -> Iterator[bytes]:
        request = self.request
        for block in FORMATS[request.format][2](request.table, request.rows, request.mask, request.csv, self._count):
            self.digest.update(block)
            yield block

    def _build_manifest(self) -> tuple[str, bytes]:
        started = self.request.started
        return build_manifest_name(started), format_manifest(
            FinishedExport(started, self.rows, self.digest.hexdigest())
        )

    def _count(self, rows: int) -> None:
        self.rows += rows

    def _record_end(self, name: str, **data: str) -> None:
        self.ended = True
        _slots.release()
        request = self.request
        fields: dict[str, Any] = {"log": request.table.name, "format": request.format, **data}
        fields["started"] = get_export_number(request.started)
        try:
            with transaction.atomic():
                record(name, by=request.by, account_id=request.started.account_id, rows=self.rows, **fields)
        except Exception:
            if name == "export.finished":
                raise
            # The original error matters more. An export.started without an end shows the same in the trail.
            logger.exception("export.incomplete could not be recorded")


def start_export(
    *,
    by: Actor,
    account: Account,
    table: ExportTable,
    filters: LogFilter,
    format: str,
    csv: CsvStyle = PLAIN_CSV,
    zip: bool = False,
) -> tuple[str, Export]:
    """Return the name and the stream of a file of the rows that pass the filters, or of a ZIP of it and its manifest.
    `export.started` is committed before, and no row is newer than it. Raise Denied, TooManyExports, TooManyRows,
    CellTooLong.
    """
    authorization.require(by, Permission.LOG_EXPORT, account=account)
    if format == "xlsx":
        _require_fitting_sheet(table, filters.filtered_rows)
    if not _slots.acquire(blocking=False):
        raise TooManyExports
    try:
        with transaction.atomic():
            authorization.require(by, Permission.LOG_EXPORT, account=account)
            account.refresh_from_db(fields=["mask_phone", "mask_digits", "mask_side"])
            mask = Mask.from_account(account) if table.has_masked else None
            # The statement promises no rows from the future, nor rows that the replica does not have yet.
            bounds = (filters.until, get_replayed_until())
            until = min((bound for bound in bounds if bound and bound < timezone.now()), default=None)
            statement = build_statement(
                account,
                columns=table.columns,
                filters_in_words=filters.descriptions_without_times,
                masking=describe_masking(mask),
                since=filters.since,
                until=until,
            )
            statement |= {"log": table.name, "format": format, "filters": filters.active}
            seq = record(STARTED, by=by, account_id=account.pk, **statement)
            started = list_events(account.pk).get(seq=seq)
        rows = filters.filtered_rows.filter(**{f"{table.time}__lt": until or started.at + MICROSECOND})
        export = Export(ExportRequest(table, rows, mask, format, csv, zip, by, started))
    except BaseException:
        _slots.release()
        raise
    export.begin()
    return build_file_name(started, "zip" if zip else ""), export


def _require_fitting_sheet(table: ExportTable, rows: QuerySet[Any]) -> None:
    """Raise TooManyRows or CellTooLong unless a sheet of XLSX can hold the rows."""
    if rows[MAX_ROWS : MAX_ROWS + 1].exists():
        raise TooManyRows
    if table.unbounded and rows.filter(**{f"{table.unbounded}__length__gt": MAX_CELL_LENGTH}).exists():
        raise CellTooLong
