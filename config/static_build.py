"""Collect static files only when they have changed, because that takes longer than the rest of the start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command


def collect_static() -> None:
    """Run collectstatic unless the current files were collected already."""
    if not is_collected():
        call_command("collectstatic", verbosity=0, interactive=False)


def is_collected() -> bool:
    """Return whether the files under STATIC_ROOT were collected from those of this version."""
    stamp = _get_fingerprint_path()
    return stamp.exists() and stamp.read_text(encoding="ascii") == _compute_fingerprint()


@contextmanager
def record_fingerprint() -> Iterator[None]:
    """Record, after a collection within that succeeds, the fingerprint of its source files."""
    _get_fingerprint_path().unlink(missing_ok=True)
    yield
    _get_fingerprint_path().write_text(_compute_fingerprint(), encoding="ascii")


def _get_fingerprint_path() -> Path:
    return Path(settings.STATIC_ROOT) / "collected"


def _compute_fingerprint() -> str:
    """Return a hash of the paths and contents of all source files: a copy, such as the wheel's, has the same, whatever
    order its file system lists them in."""
    files = sorted((path, storage.path(path)) for finder in get_finders() for path, storage in finder.list([]))
    digest = hashlib.sha256()
    for path, source in files:
        content = hashlib.sha256(Path(source).read_bytes()).hexdigest()
        digest.update(f"{path}\0{content}\n".encode())
    return digest.hexdigest()
