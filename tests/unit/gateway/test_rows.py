"""Floods of strangers: what shares a row, what such a row says, and what never shares one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.calls import BATCH_COLUMNS
from gateway import rows
from gateway.rows import Folding, Row, values
from keys.access import INVALID_CREDENTIALS, Decision
from keys.addresses import parse_address
from tests.unit.keys.test_access import NOW, a_call, a_key

COLUMNS = list(BATCH_COLUMNS)


def row(number: int = 0, *, api: str = "ledger", reason: str = INVALID_CREDENTIALS, known: bool = False) -> Row:
    call = replace(
        a_call(), request_id=f"id-{number}", query=f"n={number}", client_address=parse_address(f"10.0.0.{number % 3}")
    )
    return values(api, call.presented, Decision(call, a_key() if known else None, NOW, reason))


def column(name: str, found: Row) -> str:
    return found[COLUMNS.index(name)]


def test_a_row_has_a_value_for_each_column():
    assert len(row()) == len(BATCH_COLUMNS)
    assert (column("key_id", row()), column("account_id", row()), column("folded", row())) == ("", "", "1")


def test_up_to_a_hundred_each_has_its_own():
    batch = [row(number) for number in range(100)]
    assert Folding().fold(batch) == (batch, 100)


def test_above_that_they_share_one_which_says_what_all_agree_on():
    batch = [row(number) for number in range(130)]
    written, strangers = Folding().fold(batch)
    assert (list(written[:100]), len(written), strangers) == (batch[:100], 101, 130)
    folded = written[100]
    assert (column("request_id", folded), column("folded", folded)) == ("id-100", "30")
    assert (column("query", folded), column("client_address", folded)) == ("", "")
    same = {name for name in COLUMNS if column(name, folded) == column(name, batch[100])}
    assert set(COLUMNS) - same == {"query", "client_address", "folded"}


def test_apis_and_reasons_are_kept_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Folding, "LIMIT", 0)
    batch = [row(), row(api="billing"), row(reason="unreadable_request"), row(), row(api="billing")]
    written, _ = Folding().fold(batch)
    told = [tuple(column(name, each) for name in ("api", "reason", "folded")) for each in written]
    assert told == [
        ("ledger", INVALID_CREDENTIALS, "2"),
        ("billing", INVALID_CREDENTIALS, "2"),
        ("ledger", "unreadable_request", "1"),
    ]


def test_known_keys_are_never_folded():
    batch = [row(number, known=True) for number in range(300)]
    assert Folding().fold(batch) == (batch, 0)


def test_it_is_a_hundred_a_second(monkeypatch: pytest.MonkeyPatch):
    folding, now = Folding(), [5.0]
    monkeypatch.setattr(rows.time, "monotonic", lambda: now[0])
    batch = [row(number) for number in range(60)]
    lengths = []
    for now[0] in (5.0, 5.5, 5.9, 6.0):
        written, strangers = folding.fold(batch)
        folding.count(strangers)
        lengths.append(len(written))
    assert lengths == [60, 41, 1, 60]


def test_what_was_not_written_is_not_counted():
    folding = Folding()
    batch = [row(number) for number in range(100)]
    assert [len(folding.fold(batch)[0]) for _ in range(3)] == [100, 100, 100]
