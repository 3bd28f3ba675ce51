"""Write a line of a command, such as a checkpoint: to standard output, or to a file that it is appended to."""

from __future__ import annotations

from pathlib import Path

from django.core.management.base import CommandError, OutputWrapper

from audit.trail.checkpoints import append_line


def write_line(line: str, path: Path | None, stdout: OutputWrapper) -> None:
    """Append the line to the file, or write it to `stdout` if `path` is None. Raise CommandError."""
    if path is None:
        stdout.write(line)
        return
    try:
        append_line(path, line)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
