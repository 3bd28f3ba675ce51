"""Static files, collected only when they have changed: collecting costs more than all else at a start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect_static() -> None:
    """Run collectstatic unless every file is the one that was collected."""
    if not is_collected():
        call_command("collectstatic", verbosity=0, interactive=False)


def is_collected() -> bool:
    """Return whether the files under STATIC_ROOT were collected from those of this version."""
    stamp = _stamp()
    return stamp.exists() and stamp.read_text(encoding="ascii") == _fingerprint()


@contextmanager
def stamping() -> Iterator[None]:
    """Note, around a collection that succeeds, from which files it was made."""
    _stamp().unlink(missing_ok=True)
    yield
    _stamp().write_text(_fingerprint(), encoding="ascii")


def _stamp() -> Path:
    return Path(settings.STATIC_ROOT) / "collected"


def _fingerprint() -> str:
    """Of every source file's place, size and time of change."""
    found = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            found.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return found.hexdigest()
