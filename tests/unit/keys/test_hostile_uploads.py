"""Files of at most 100 kB that would cost more than they weigh: refused in our words, in bounded time and memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from benchmarks.attacks.hostile_files import DOCUMENTS, SHEETS, inline, workbook
from keys import uploads
from keys.apis.file_limits import UnreadableFile
from keys.ip_lists.entry_parser import UnreadableEntries, parse_file
from keys.uploads import TooManyUploads, acquire_reader
from tests.parsing import parse_bytes

MAX_FILE_BYTES = 100_000


def refusal(content: bytes) -> str:
    try:
        parse_file(content)
    except UnreadableEntries as problem:
        return str(problem)
    return ""


@pytest.mark.parametrize("kind", SHEETS)
@pytest.mark.slow
def test_a_hostile_workbook_is_refused_with_the_limit(kind: str) -> None:
    make, named = SHEETS[kind]
    content = make()
    assert len(content) <= MAX_FILE_BYTES
    message = refusal(content)
    assert named in message
    assert "sys." not in message


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_hostile_document_is_refused_with_the_limit(kind: str) -> None:
    content, named = DOCUMENTS[kind]
    assert len(content) <= MAX_FILE_BYTES
    try:
        parse_bytes(content)
        message = ""
    except UnreadableFile as problem:
        message = str(problem)
    assert named in message
    assert "set_int_max_str_digits" not in message


@pytest.mark.slow
def test_a_good_workbook_at_the_limits_is_read() -> None:
    row = "<row>" + "".join(inline(text) for text in ("203.0.113.%d", "Berlin", "true")) + "</row>"
    content = workbook("".join(row % (n % 256) for n in range(10_000)))
    assert len(parse_file(content).rows) == 10_000


@pytest.fixture
def hold_upload() -> Iterator[Callable[[int], None]]:
    """Hold a place as another thread's upload of the account would."""
    release, threads = threading.Event(), []

    def hold(account: int) -> None:
        holding = threading.Event()

        def read() -> None:
            with acquire_reader(account):
                holding.set()
                release.wait(10)

        threads.append(threading.Thread(target=read))
        threads[-1].start()
        assert holding.wait(10)

    yield hold
    release.set()
    for thread in threads:
        thread.join()


def test_an_account_has_one_upload_at_a_time(hold_upload: Callable[[int], None]) -> None:
    hold_upload(1)
    with pytest.raises(TooManyUploads, match="Try again in a moment"), acquire_reader(1):
        pass


def test_another_account_waits_for_its_turn(
    hold_upload: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "WAIT_TIMEOUT_SECONDS", 0.01)
    with acquire_reader(2):
        pass
    hold_upload(1)
    with pytest.raises(TooManyUploads), acquire_reader(2):
        pass


def test_only_so_many_wait(hold_upload: Callable[[int], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_UPLOADS", 1)
    hold_upload(1)
    began = time.monotonic()
    with pytest.raises(TooManyUploads), acquire_reader(2):
        pass
    assert time.monotonic() - began < uploads.WAIT_TIMEOUT_SECONDS


def test_an_upload_rests_for_as_long_as_it_used_the_cpu() -> None:
    began, used = time.monotonic(), time.thread_time()
    with acquire_reader(1):
        while time.thread_time() - used < 0.1:
            pass
    assert time.monotonic() - began >= 0.2
