"""A disk that is really full under the database: its rows' files, and its write-ahead log."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings

from audit.calls.partitions import ensure_partitions
from config.embedded.backend.base import start_embedded_database
from config.embedded.launch import get_home
from config.embedded.server import Cluster
from tests.factories.accounts import a_user, an_account
from tests.factories.key_rows import KeyAndToken, a_key, an_api
from tests.faults.test_database import ALLOWED, REFUSED, allowed_rows, ask, forget_connections, recovers
from tests.gateways import gateway

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "maintenance"]),
    pytest.mark.skipif(not settings.EMBEDDED_DATABASE, reason="somebody else's server: its disk cannot be filled"),
    pytest.mark.quality(7),
    # Who is not root cannot mount a disk; the ordinary run has a file that may not grow (test_database.py).
    pytest.mark.full,
]
MiB = 1024 * 1024


@pytest.fixture
def disk() -> Iterator[Path]:
    """The server's files on a disk of their own, with a little room; afterwards they are where they were, as they were,
    without what the test did."""
    forget_connections()
    cluster = start_embedded_database()
    data = get_home(cluster.folder) / "data"
    stop(cluster)
    aside = data.with_name("data.aside")
    data.rename(aside)
    data.mkdir(mode=0o700)
    used = sum(file.stat().st_size for file in aside.rglob("*") if file.is_file())
    room = f"size={used + 96 * MiB},mode=700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", room, "tmpfs", data], capture_output=True, text=True)
    try:
        if mounted.returncode:
            pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
        shutil.copytree(aside, data, symlinks=True, dirs_exist_ok=True)
        cluster.join()
        yield data
    finally:
        forget_connections()
        stop(cluster)
        if not mounted.returncode:
            subprocess.run(["umount", data], check=True)
        data.rmdir()
        aside.rename(data)
        cluster.join()


def stop(cluster: Cluster) -> None:
    """And hold it no more: it starts when it is joined again."""
    cluster.leave()
    assert not cluster.is_ready()


def fill(disk: Path, leave: int = 0) -> Path:
    """Make a file that takes all the room there is, but for `leave` bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize > leave:
            file.write(bytes(64 * 1024))
    return filler


@pytest.mark.parametrize("room", [0, 20 * MiB], ids=["for_nothing", "for_one_more_log_segment"])
@pytest.mark.fault(9)
def test_a_full_disk_refuses_until_there_is_room(room: int, disk: Path, figure: Callable[[str], None]) -> None:
    ensure_partitions()
    account = an_account()
    key: KeyAndToken = a_key(account, a_user(account, "olga"), an_api())
    with gateway() as is_running:
        assert ask(is_running, key) == [ALLOWED] * 5
        filler = fill(disk, room)
        answers: list[tuple[int, str]] = []
        while answers.count(REFUSED) < 500:
            assert len(answers) < 200_000, "the disk is not full"
            answers += ask(is_running, key, 100)
        assert set(answers) == {ALLOWED, REFUSED}
        filler.unlink()
        # As `serve` does every second: without room for its write-ahead log the server has ended.
        forget_connections()
        start_embedded_database()
        seconds = recovers(is_running, key)
        assert ask(is_running, key) == [ALLOWED] * 5
    assert allowed_rows(key) == 11 + answers.count(ALLOWED)
    figure(
        f"disk full: {answers.count(ALLOWED)} calls allowed, each with its row, {answers.count(REFUSED)} refused,"
        f" allowed again {seconds:.1f} s after there was room"
    )
