"""What a call's row says."""

from __future__ import annotations

import uuid
from dataclasses import replace

from audit.calls.insert import BATCH_COLUMNS
from gateway.log_rows import COLUMNS, build_row
from keys.decision.access import INVALID_CREDENTIALS, Decision, Secret
from tests.unit.keys.test_access import NOW, a_call


def test_a_row_has_a_value_for_each_column():
    call = replace(a_call(), request_id="id-0")
    row = build_row("ledger", call.presented, Decision(call, None, NOW, INVALID_CREDENTIALS))
    assert len(row) == len(BATCH_COLUMNS)
    values = dict(zip(COLUMNS, row, strict=True))
    assert (values["key_id"], values["account_id"], values["folded"]) == ("", "", "1")


def test_a_row_says_whether_the_old_secret_of_a_changed_key_matched():
    call = a_call()
    decision = Decision(call, None, NOW)
    current, old = (Secret(uuid.uuid4(), b"", 1, retires_at) for retires_at in (None, NOW + 60))
    values = [
        dict(zip(COLUMNS, build_row("ledger", call.presented, decision, secret), strict=True))["old_secret"]
        for secret in (None, current, old)
    ]
    assert values == ["f", "f", "t"]
