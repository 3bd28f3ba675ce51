"""manage.py ingest_access_log: status, duration and bytes of calls, from a proxy's access log into the API log."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, connection, transaction

from audit.calls import file_tail, ingest
from audit.calls.access_log import AccessLogEntry, MalformedLine, parse_line
from audit.trail.record import record
from core.actor import Actor

MAX_NAMED_LINES = 100
SUMMARY_INTERVAL_SECONDS = 3600.0
RETRY_SECONDS = 2.0
SUMMARY = (
    "{lines} lines: {filled} calls filled in, {already} had their values already, {unmatched} match no call and are "
    "kept, {too_late} came more than 48 hours after their call and are kept apart, {without_id} are of calls without a "
    "row, {unreadable} could not be read."
)


class Command(BaseCommand):
    help = (
        "Read JSON lines of a proxy's access log (request_id, status, duration_ms, bytes; deploy/ has the formats) "
        "into the API log. A call's values are written once, so the same lines may be read any number of times."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="-", help="the access log; standard input if left out")
        parser.add_argument("--follow", action="store_true", help="go on reading what is written, until stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        self.source, self.follow = options["file"], options["follow"]
        self.tally: Counter[str] = Counter()
        self._told = time.monotonic()
        self._stop = threading.Event()
        # Who is told to stop writes what was read and says so in the trail.
        before = {number: signal.signal(number, self._stopped) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.tally["filled"] = ingest.retry_unmatched()
            for batch in self._batches():
                self._complete(batch)
                if time.monotonic() - self._told > SUMMARY_INTERVAL_SECONDS:
                    self._tell()
        except OSError as error:
            raise CommandError(f"{self.source} cannot be read: {error.strerror}.") from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self._tell()

    def _stopped(self, *_: object) -> None:
        self._stop.set()

    def _batches(self) -> Iterator[list[AccessLogEntry]]:
        """What the log says, as many lines at a time as there are at the moment."""
        stopped = self._stop.is_set
        if self.source == "-":
            pieces = file_tail.read_standard_input(stopped=stopped)
        else:
            pieces = file_tail.read_file(Path(self.source), follow=self.follow, stopped=stopped)
        batch: list[AccessLogEntry] = []
        for line in file_tail.split_lines(pieces, stopped=stopped):
            if line is not None and (read := self._read(*line)):
                batch.append(read)
            if batch and (line is None or len(batch) >= ingest.BATCH_SIZE):
                yield batch
                batch = []
        if batch:
            yield batch

    def _read(self, number: int, line: bytes) -> AccessLogEntry | None:
        self.tally["lines"] += 1
        try:
            read = parse_line(line)
        except MalformedLine as error:
            self.tally["unreadable"] += 1
            if self.tally["unreadable"] <= MAX_NAMED_LINES:
                self.stderr.write(f"Line {number}: {error}.")
            elif self.tally["unreadable"] == MAX_NAMED_LINES + 1:
                self.stderr.write("Further lines that cannot be read are only counted.")
            return None
        self.tally["without_id"] += read is None
        return read

    def _complete(self, batch: list[AccessLogEntry]) -> None:
        """Who follows waits for a database that is away; nothing is counted twice."""
        while True:
            try:
                self._count(ingest.apply_entries(batch))
                return
            except (OperationalError, InterfaceError):
                if not self.follow or self._stop.is_set():
                    raise
                self.stderr.write("The database does not answer; trying again.")
                connection.close()
                self._stop.wait(RETRY_SECONDS)

    def _count(self, completed: ingest.IngestResult) -> None:
        *counts, too_late = completed
        self.tally.update(dict(zip(("filled", "already", "unmatched"), counts, strict=True)))
        for request_id in too_late:
            self.tally["too_late"] += 1
            if self.tally["too_late"] <= MAX_NAMED_LINES:
                self.stderr.write(f"Call {request_id} is sealed without its status: its line came after 48 hours.")

    def _tell(self) -> None:
        """An event of the trail for what was done since the last one."""
        counted: dict[str, Any] = {
            name: self.tally[name]
            for name in ("lines", "filled", "already", "unmatched", "too_late", "without_id", "unreadable")
        }
        with transaction.atomic():
            record(
                "access_log.ingested",
                by=Actor.command("ingest_access_log"),
                account_id=None,
                source="standard input" if self.source == "-" else self.source,
                **counted,
            )
        self.stdout.write(SUMMARY.format(**counted))
        self.tally.clear()
        self._told = time.monotonic()
