"""Numbered lines of a file that may be written to and rotated meanwhile, or of standard input."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from audit.calls.access_log import MAX_LINE_BYTES

CHUNK_BYTES = 64 * 1024
# Seconds between two looks at what has nothing new.
POLL_SECONDS = 0.2

# `None`: there is nothing more at the moment. Empty bytes: another file begins.
Chunk = bytes | None
Line = tuple[int, bytes]
IsStopped = Callable[[], bool]


def read_file(path: Path, *, follow: bool, stopped: IsStopped) -> Iterator[Chunk]:
    """The file's bytes; with `follow`, for ever, also when it is renamed and made anew, or emptied."""
    file: BinaryIO = path.open("rb")
    successor: BinaryIO | None = None
    try:
        while not stopped():
            if piece := file.read(CHUNK_BYTES):
                yield piece
            elif not follow:
                return
            elif successor is not None:
                # Now the old one has been read to its end.
                file.close()
                file, successor = successor, None
                yield b""
            elif os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
                yield b""
            else:
                successor = _open_replacement(file, path)
                yield None
                time.sleep(0 if successor else POLL_SECONDS)
    finally:
        file.close()
        if successor is not None:
            successor.close()


def read_standard_input(*, stopped: IsStopped) -> Iterator[Chunk]:
    descriptor = sys.stdin.fileno()
    while not stopped():
        if not select.select([descriptor], [], [], POLL_SECONDS)[0]:
            yield None
        elif piece := os.read(descriptor, CHUNK_BYTES):
            yield piece
        else:
            return


def split_lines(pieces: Iterable[Chunk], *, stopped: IsStopped) -> Iterator[Line | None]:
    """Whole lines with their numbers, without those that are empty; None where there is nothing more at the moment."""
    number, rest = 0, b""
    for piece in pieces:
        if piece is None:
            yield None
            continue
        *whole, rest = (rest + piece).split(b"\n") if piece else (rest, b"")
        for line in whole:
            number += 1
            if line.strip():
                yield number, line
        # A line without an end is not kept in memory, only that it is too long.
        rest = rest[: MAX_LINE_BYTES + 1]
        number = number if piece else 0
    # Who was told to stop in the middle of a line reads it whole the next time.
    if rest.strip() and not stopped():
        yield number + 1, rest


def _open_replacement(file: BinaryIO, path: Path) -> BinaryIO | None:
    """What has the file's name now, if that is another file."""
    try:
        there = path.open("rb")
    except FileNotFoundError:
        # Renamed, and not yet made anew.
        return None
    if not os.path.sameopenfile(file.fileno(), there.fileno()):
        return there
    there.close()
    return None
