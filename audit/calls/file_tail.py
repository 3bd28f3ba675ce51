"""Read numbered lines of a file that may be appended to and rotated meanwhile (as `tail -F`), or of standard input."""

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
# Between two reads where there was nothing new.
POLL_SECONDS = 0.2

# None: there is nothing more at the moment. Empty bytes: another file begins.
Chunk = bytes | None
Line = tuple[int, bytes]
IsStopped = Callable[[], bool]


def read_file(path: Path, *, follow: bool, is_stopped: IsStopped) -> Iterator[Chunk]:
    """Yield the file's bytes in chunks. With `follow`, wait for the file to be created, and go on until `is_stopped`,
    also after it is truncated, or renamed and created anew."""
    while follow and not path.exists():
        if is_stopped():
            return
        yield None
        time.sleep(POLL_SECONDS)
    file: BinaryIO = path.open("rb")
    replacement: BinaryIO | None = None
    try:
        while not is_stopped():
            if chunk := file.read(CHUNK_BYTES):
                yield chunk
            elif not follow:
                return
            elif replacement is not None:
                # The renamed file has been read to its end.
                file.close()
                file, replacement = replacement, None
                yield b""
            elif os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
                yield b""
            else:
                replacement = _open_replacement(file, path)
                yield None
                time.sleep(0 if replacement else POLL_SECONDS)
    finally:
        file.close()
        if replacement is not None:
            replacement.close()


def read_standard_input(*, is_stopped: IsStopped) -> Iterator[Chunk]:
    """Yield the bytes of standard input in chunks until it ends or `is_stopped`."""
    descriptor = sys.stdin.fileno()
    while not is_stopped():
        if not select.select([descriptor], [], [], POLL_SECONDS)[0]:
            yield None
        elif chunk := os.read(descriptor, CHUNK_BYTES):
            yield chunk
        else:
            return


def split_lines(chunks: Iterable[Chunk], *, is_stopped: IsStopped) -> Iterator[Line | None]:
    """Yield (line number, line) for each line that is not blank, and None where there is nothing more at the moment.
    Numbers begin anew with each file."""
    number, rest = 0, b""
    for chunk in chunks:
        if chunk is None:
            yield None
            continue
        *lines, rest = (rest + chunk).split(b"\n") if chunk else (rest, b"")
        for line in lines:
            number += 1
            if line.strip():
                yield number, line
        # Of a line without an end, only as much is kept as shows that it is too long.
        rest = rest[: MAX_LINE_BYTES + 1]
        number = number if chunk else 0
    # If stopped in the middle of a line, leave it to the next run.
    if rest.strip() and not is_stopped():
        yield number + 1, rest


def _open_replacement(file: BinaryIO, path: Path) -> BinaryIO | None:
    """Return the file at `path` if it is not `file` any more, otherwise None."""
    try:
        opened = path.open("rb")
    except FileNotFoundError:
        # Renamed, and not created anew yet.
        return None
    if not os.path.sameopenfile(file.fileno(), opened.fileno()):
        return opened
    opened.close()
    return None
