"""Every thread of a plane may ask at once whether the supervisor stops it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from config.serve import stop_notice
from config.serve.stop_notice import StopNotice, is_stopping


@pytest.fixture
def notice(monkeypatch: pytest.MonkeyPatch) -> Iterator[StopNotice]:
    """The supervisor's end; this process is told its descriptor."""
    notice = StopNotice()
    monkeypatch.setenv(stop_notice.VARIABLE, str(notice.descriptor))
    yield notice
    notice.close()


def test_many_threads_ask_at_once(notice: StopNotice) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: is_stopping(), range(2_000)))
        notice.send()
        assert all(pool.map(lambda _: is_stopping(), range(2_000)))


def test_without_a_supervisor_nothing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(stop_notice.VARIABLE, raising=False)
    assert not is_stopping()
