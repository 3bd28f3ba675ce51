"""Floods of refusals without a matching secret: what waits, what shares a row, and what such a row says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway import unauthenticated
from gateway.limits import MAX_REFUSED_TEXT_LENGTH, REFUSALS_PER_KEY, REFUSALS_PER_PROCESS
from gateway.log_rows import COLUMNS, Row, build_row
from gateway.snapshot import Snapshot
from gateway.unauthenticated import Aggregator
from gateway.waiting_call import WaitingCall
from keys.decision.access import INVALID_CREDENTIALS, PREFLIGHT, Decision, PresentedCredential, Proof
from keys.decision.addresses import parse_address
from tests.unit.keys.test_access import NOW, a_call, a_key

Decided = tuple[WaitingCall, Decision]
KEY = a_key()


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of all tests, unless they move it: one second."""
    now = [5.0]
    monkeypatch.setattr(unauthenticated.time, "monotonic", lambda: now[0])
    return now


def refused(
    number: int = 0, *, api: str = "ledger", reason: str = INVALID_CREDENTIALS, known: bool = False, api_id: str = ""
) -> Decided:
    call = replace(
        a_call(), request_id=f"id-{number}", query=f"n={number}", client_address=parse_address(f"10.0.0.{number % 3}")
    )
    api_id = api_id or (KEY.public_id if known else f"Unknown{number:05}")
    presented = PresentedCredential("bearer", api_id, "")
    pending = WaitingCall(api, call, "", lambda decision, api: None, presented=presented)
    return pending, Decision(call, KEY if known else None, NOW, reason)


def allowed(number: int = 0) -> Decided:
    call = replace(a_call(), request_id=f"allowed-{number}")
    return WaitingCall("ledger", call, "", lambda decision, api: None, secret=KEY.secrets[0]), Decision(call, KEY, NOW)


def aggregate(folding: Aggregator, decisions: Sequence[Decided], nonces: Sequence[Proof | None] = ()) -> list[Row]:
    rows = [build_row(pending.api_slug, pending.presented, decision) for pending, decision in decisions]
    written, kept, counted = folding.aggregate(rows, nonces or [None] * len(rows), decisions)
    assert len(kept) == len(written)
    folding.count(counted)
    return list(written)


def column(name: str, found: Row) -> str:
    return found[COLUMNS.index(name)]


@pytest.mark.parametrize(("known", "limit"), [(False, REFUSALS_PER_PROCESS), (True, REFUSALS_PER_KEY)])
def test_up_to_the_limit_each_has_its_own_and_above_it_they_share_one(known: bool, limit: int):
    decisions = [refused(number, known=known) for number in range(limit + 30)]
    own = aggregate(Aggregator(), decisions[:limit])
    assert [column("request_id", row) for row in own] == [f"id-{number}" for number in range(limit)]
    written = aggregate(Aggregator(), decisions)
    assert written[:limit] == own
    assert len(written) == limit + 1
    folded = written[limit]
    assert (column("request_id", folded), column("folded", folded)) == (f"id-{limit}", "30")
    assert (column("query", folded), column("client_address", folded)) == ("", "")
    same = {name for name in COLUMNS if column(name, folded) == column(name, written[limit - 1])}
    assert set(COLUMNS) - same == {"request_id", "query", "client_address", "folded"}
    assert column("account", folded) == (KEY.account if known else "")


def test_apis_reasons_and_keys_are_kept_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(unauthenticated, "REFUSALS_PER_PROCESS", 0)
    monkeypatch.setattr(unauthenticated, "REFUSALS_PER_KEY", 0)
    batch = [
        refused(),
        refused(api="billing"),
        refused(reason="unreadable_request"),
        refused(known=True),
        refused(),
        refused(api="billing"),
        refused(known=True),
        refused(known=True, reason="unreadable_request"),
    ]
    found = [
        tuple(column(name, row) for name in ("api", "key_id", "reason", "folded"))
        for row in aggregate(Aggregator(), batch)
    ]
    assert found == [
        ("ledger", "", INVALID_CREDENTIALS, "2"),
        ("billing", "", INVALID_CREDENTIALS, "2"),
        ("ledger", "", "unreadable_request", "1"),
        ("ledger", KEY.public_id, INVALID_CREDENTIALS, "2"),
        ("ledger", KEY.public_id, "unreadable_request", "1"),
    ]


def test_what_a_secret_proved_is_never_folded_and_keeps_its_nonce():
    proof = Proof("", "", 0, 0, "nonce-nonce-nonce", "")
    refusal = (refused()[0], Decision(a_call(), KEY, NOW, "key_disabled"))
    refusal[0].secret = KEY.secrets[0]
    decisions = [refused(number, known=True) for number in range(50)] + [allowed()] * 300 + [refusal] * 300
    nonces = [proof if decision.allowed else None for _, decision in decisions]
    rows = [build_row("ledger", None, decision) for _, decision in decisions]
    written, kept, counted = Aggregator().aggregate(rows, nonces, decisions)
    assert len(written) == REFUSALS_PER_KEY + 600 + 1
    of_allowed = [nonce for row, nonce in zip(written, kept, strict=True) if column("decision", row) == "allowed"]
    assert of_allowed == [proof] * 300
    assert kept.count(None) == len(kept) - 300
    assert counted == Counter({KEY.public_id: 50})


def test_the_limits_are_of_one_second(clock: list[float]):
    folding = Aggregator()
    lengths = []
    for clock[0] in (5.0, 5.5, 5.9, 6.0):
        lengths.append(len(aggregate(folding, [refused(number) for number in range(60)])))
    assert lengths == [60, 41, 1, 60]


def test_what_was_not_written_is_not_counted():
    folding = Aggregator()
    decisions = [refused(number) for number in range(REFUSALS_PER_PROCESS)]
    rows = [build_row("ledger", None, decision) for _, decision in decisions]
    assert [len(folding.aggregate(rows, [None] * len(rows), decisions)[0]) for _ in range(3)] == [len(rows)] * 3


def test_long_paths_and_queries_are_cut():
    pending, decision = refused(known=True)
    call = replace(decision.call, path="/" + "p" * 5000, query="q" * 5000)
    (row,) = aggregate(Aggregator(), [(pending, decision._replace(call=call))])
    assert (len(column("path", row)), len(column("query", row))) == (MAX_REFUSED_TEXT_LENGTH, MAX_REFUSED_TEXT_LENGTH)
    pending, decision = allowed()
    (row,) = aggregate(Aggregator(), [(pending, decision._replace(call=call))])
    assert (len(column("path", row)), len(column("query", row))) == (5001, 5000)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_same_wait_whether_their_api_id_is_known_or_not(known: bool):
    decisions = [refused(number, known=known, api_id=KEY.public_id) for number in range(REFUSALS_PER_KEY + 10)]
    decisions.insert(3, allowed())
    going, delayed = Aggregator().split(decisions)
    assert len(going) == REFUSALS_PER_KEY + 1
    assert delayed == [pending for pending, _ in decisions[-10:]]


def test_all_together_wait_above_the_limit_of_the_process_and_nobody_twice(clock: list[float]):
    waiting = Aggregator()
    decisions = [refused(number) for number in range(REFUSALS_PER_PROCESS + 10)]
    going, delayed = waiting.split(decisions)
    assert (len(going), len(delayed)) == (REFUSALS_PER_PROCESS, 10)
    one = [refused(0, known=True)]
    assert waiting.split(one) == ([], [one[0][0]])
    assert waiting.split(one) == (one, [])
    assert waiting.split([allowed()])[1] == []
    # A flood that goes on is delayed from the first call of the next second.
    clock[0] = 6.0
    assert len(waiting.split([refused(1)])[1]) == 1
    for clock[0] in (7.0, 9.0):
        assert waiting.split([refused(1)])[1] == []


def test_during_a_flood_calls_wait_before_their_api_ids_are_looked_up_and_nobody_twice(clock: list[float]):
    known, unknown, none = (
        WaitingCall("ledger", replace(a_call(), presented=presented), "", lambda decision, api: None)
        for presented in (
            PresentedCredential("bearer", KEY.public_id, ""),
            PresentedCredential("raw", "none", ""),
            None,
        )
    )
    snapshot = Snapshot()
    snapshot._keys[KEY.public_id] = KEY
    batch = [known, unknown, none]
    aggregator = Aggregator()
    assert aggregator.split_unknown(batch, snapshot) == (batch, [])
    aggregator.split([refused(number) for number in range(REFUSALS_PER_PROCESS + 1)])
    going, delayed = aggregator.split_unknown(batch, snapshot)
    assert (list(map(id, going)), list(map(id, delayed))) == ([id(known), id(none)], [id(unknown)])
    assert aggregator.split_unknown([unknown], snapshot) == ([unknown], [])
    # Neither do they wait again once they are refused.
    assert aggregator.split([(unknown, refused(1)[1])])[1] == []


def test_preflights_of_a_flood_share_rows_and_stay_allowed():
    decisions = [refused(number, reason=PREFLIGHT, api_id="none") for number in range(REFUSALS_PER_PROCESS + 30)]
    written = aggregate(Aggregator(), decisions)
    assert len(written) == REFUSALS_PER_PROCESS + 1
    found = [(column("decision", row), column("reason", row), column("folded", row)) for row in written]
    assert found == [("allowed", "preflight", "1")] * REFUSALS_PER_PROCESS + [("allowed", "preflight", "30")]
