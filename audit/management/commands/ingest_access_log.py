"""manage.py ingest_access_log: write status, duration and bytes from a proxy's access log into the API log."""

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
    "kept, {too_late} arrived more than 48 hours after their call and are kept separately, {without_id} are of calls "
    "without a row, {unreadable} could not be read."
)


class Command(BaseCommand):
    help = (
        "Read JSON lines of a proxy's access log (request_id, status, duration_ms, bytes; deploy/ has the formats) "
        "into the API log. A call's values are written once, so the same lines may be read any number of times."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", default="-", help="the access log; standard input if left out")
        parser.add_argument("--follow", action="store_true", help="wait for the file, and for new lines, until stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        self.source, self.follow = options["file"], options["follow"]
        self.tally: Counter[str] = Counter()
        self._recorded_at = time.monotonic()
        self._stop = threading.Event()
        # On a signal, apply what was read and record it before the process ends.
        before = {number: signal.signal(number, self._request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.tally["filled"] = ingest.retry_unmatched()
            for batch in self._read_batches():
                self._apply(batch)
                if time.monotonic() - self._recorded_at > SUMMARY_INTERVAL_SECONDS:
                    self._record_summary()
        except OSError as error:
            raise CommandError(f"{self.source} cannot be read: {error.strerror}.") from error
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self._record_summary()

    def _request_stop(self, *_: object) -> None:
        self._stop.set()

    def _read_batches(self) -> Iterator[list[AccessLogEntry]]:
        """Yield the log's entries in batches: as many as are there at the moment, at most BATCH_SIZE."""
        is_stopped = self._stop.is_set
        if self.source == "-":
            chunks = file_tail.read_standard_input(is_stopped=is_stopped)
        else:
            path = Path(self.source)
            if self.follow and not path.exists():
                self.stderr.write(f"{path} does not exist yet: waiting for it.")
            chunks = file_tail.read_file(path, follow=self.follow, is_stopped=is_stopped)
        batch: list[AccessLogEntry] = []
        for line in file_tail.split_lines(chunks, is_stopped=is_stopped):
            if line is not None and (entry := self._parse(*line)):
                batch.append(entry)
            if batch and (line is None or len(batch) >= ingest.BATCH_SIZE):
                yield batch
                batch = []
        if batch:
            yield batch

    def _parse(self, number: int, line: bytes) -> AccessLogEntry | None:
        self.tally["lines"] += 1
        try:
            entry = parse_line(line)
        except MalformedLine as error:
            self.tally["unreadable"] += 1
            if self.tally["unreadable"] <= MAX_NAMED_LINES:
                self.stderr.write(f"Line {number}: {error}.")
            elif self.tally["unreadable"] == MAX_NAMED_LINES + 1:
                self.stderr.write("Further lines that cannot be read are only counted.")
            return None
        self.tally["without_id"] += entry is None
        return entry

    def _apply(self, batch: list[AccessLogEntry]) -> None:
        """Apply the batch in one transaction; with --follow, retry while the database is away."""
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

    def _count(self, result: ingest.IngestResult) -> None:
        *counts, too_late = result
        self.tally.update(dict(zip(("filled", "already", "unmatched"), counts, strict=True)))
        for request_id in too_late:
            self.tally["too_late"] += 1
            if self.tally["too_late"] <= MAX_NAMED_LINES:
                self.stderr.write(f"Call {request_id} is sealed without its status: its line came after 48 hours.")

    def _record_summary(self) -> None:
        """Record an event for what was ingested since the last one, and print it."""
        counted: dict[str, Any] = {
            name: self.tally[name]
            for name in ("lines", "filled", "already", "unmatched", "too_late", "without_id", "unreadable")
        }
        with transaction.atomic():
            record(
                "access_log.ingested",
                by=Actor.from_command("ingest_access_log"),
                account_id=None,
                source="standard input" if self.source == "-" else self.source,
                **counted,
            )
        self.stdout.write(SUMMARY.format(**counted))
        self.tally.clear()
        self._recorded_at = time.monotonic()
