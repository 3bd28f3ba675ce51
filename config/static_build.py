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
    stamp = _get_fingerprint_path()
    return stamp.exists() and stamp.read_text(encoding="ascii") == _compute_fingerprint()


@contextmanager
def record_fingerprint() -> Iterator[None]:
    """Note, around a collection that succeeds, from which files it was made."""
    _get_fingerprint_path().unlink(missing_ok=True)
    yield
    _get_fingerprint_path().write_text(_compute_fingerprint(), encoding="ascii")


def _get_fingerprint_path() -> Path:
    return Path(settings.STATIC_ROOT) / "collected"


def _compute_fingerprint() -> str:
    """Of every source file's place and content: a copy of the files, such as a wheel's, has the same."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            content = hashlib.sha256(Path(storage.path(path)).read_bytes()).hexdigest()
            digest.update(f"{path}\0{content}\n".encode())
    return digest.hexdigest()
