"""The API log as a file: made by PostgreSQL over one snapshot, streamed in constant memory, and told of in the trail.

Formatting and neutralising are SQL (audit.cells), so that the server's work and the sending overlap, and this process
only joins rows into blocks and hides phone numbers in them.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import policy
from accounts.models import Account
from accounts.permissions import Permission
from audit.actor import Actor
from audit.cells import COLUMNS, copy_statement
from audit.filters import CallFilter
from audit.models import Call
from audit.phones import Mask
from audit.record import record
from audit.snapshot import snapshot

logger = logging.getLogger(__name__)

LOG = "API log"
BLOCK = 64 * 1024  # bytes; a block for each row would cost more than making the row
LONGEST = 15 * 60  # seconds
Buffer = bytes | bytearray | memoryview
BOM = b"\xef\xbb\xbf"


class TookTooLong(Exception):
    """The client was too slow: a snapshot may not be held for ever."""


class CallExport:
    """The bytes of the file, once. What ends it, good or bad, is an event; a bad end is raised, so that the server cuts
    the connection and nobody takes a part for the whole."""

    def __init__(self, rows: QuerySet[Call], *, mask: Mask | None, bom: bool, by: Actor, account_id: int, started: int):
        self.selected, self.mask, self.bom = rows, mask, bom
        self.by, self.account_id, self.started = by, account_id, started
        self.rows, self.digest, self.ended = 0, hashlib.sha256(), False
        self._stream: Generator[bytes, None, None] | None = None

    def __iter__(self) -> Iterator[bytes]:
        self._stream = self._told()
        return self._stream

    def close(self) -> None:
        """Called by the server when it is done with the answer, however much of it was sent."""
        if self._stream is not None:
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
        """RFC 4180 lines in blocks of BLOCK bytes or a little more. Each message of COPY is one row, ended by LF."""
        yield (BOM if self.bom else b"") + ",".join(COLUMNS).encode() + b"\r\n"
        deadline = time.monotonic() + LONGEST
        pending: list[Buffer] = []
        size = 0
        with snapshot(seconds=LONGEST) as cursor:
            statement = copy_statement(self.selected, cursor, masking=self.mask is not None)
            with cursor.copy(statement) as copy:
                for message in copy:
                    pending.append(message[:-1])
                    size += len(message)
                    if size >= BLOCK:
                        yield self._joined(pending)
                        pending, size = [], 0
                        if time.monotonic() > deadline:
                            raise TookTooLong
        if pending:
            yield self._joined(pending)

    def _joined(self, rows: list[Buffer]) -> bytes:
        self.rows += len(rows)
        block = b"\r\n".join([*rows, b""])
        return self.mask.hide_marked(block) if self.mask else block

    def _end(self, name: str, **data: str) -> None:
        self.ended = True
        told: dict[str, Any] = {"log": LOG, "format": "csv", "started": self.started, "rows": self.rows, **data}
        try:
            with transaction.atomic():
                record(name, by=self.by, account_id=self.account_id, **told)
        except Exception:
            if name == "export.finished":
                raise
            # The first error matters more; in the trail an export.started that nothing ends says the same.
            logger.exception("export.incomplete could not be recorded")


def export_calls(*, by: Actor, account: Account, calls: CallFilter, bom: bool) -> tuple[str, CallExport]:
    """File name and content of what the filters let through; `export.started` is committed. Close it at the end."""
    with transaction.atomic():
        policy.require(by, Permission.LOG_EXPORT, account=account)
        started = record("export.started", by=by, account_id=account.pk, log=LOG, format="csv", filters=calls.active)
    mask = Mask.of(account)
    export = CallExport(calls.found, mask=mask, bom=bom, by=by, account_id=account.pk, started=started)
    return file_name(account.slug, calls.since, calls.until or timezone.now()), export


def file_name(account: str, since: datetime | None, until: datetime) -> str:
    """Account, range and format, in characters that every file system takes."""
    name = re.sub(r"[^A-Za-z0-9-]", "-", account)
    return f"keyward-{name}-api-log-{_stamp(since) if since else 'start'}-{_stamp(until)}.csv"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
