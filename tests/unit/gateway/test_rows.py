"""What a call's row says."""

from __future__ import annotations

from dataclasses import replace

from audit.calls.insert import BATCH_COLUMNS
from gateway.log_rows import COLUMNS, build_row
from keys.decision.access import INVALID_CREDENTIALS, Decision
from tests.unit.keys.test_access import NOW, a_call


def test_a_row_has_a_value_for_each_column():
    call = replace(a_call(), request_id="id-0")
    row = build_row("ledger", call.presented, Decision(call, None, NOW, INVALID_CREDENTIALS))
    assert len(row) == len(BATCH_COLUMNS)
    told = dict(zip(COLUMNS, row, strict=True))
    assert (told["key_id"], told["account_id"], told["folded"]) == ("", "", "1")
