"""The rows of a batch: each call's values as text, and many refusals of strangers folded into one row."""

from __future__ import annotations

import time
from collections.abc import Sequence

from audit.calls import BATCH_COLUMNS
from keys.access import Decision, Key, Presented
from keys.secrets import redact

Row = tuple[str, ...]

_NOBODY = ("", "", "", "", "", "f")
_COLUMNS = list(BATCH_COLUMNS)
_API, _KEY, _REASON, _FOLDED = (_COLUMNS.index(name) for name in ("api", "key_id", "reason", "folded"))


def values(api_slug: str, presented: Presented | None, decision: Decision) -> Row:
    """In the order of audit.calls.BATCH_COLUMNS."""
    call, key, route = decision.call, decision.key, decision.route
    account_id, account, public_id, key_name, owner, mask = _NOBODY if key is None else _who(key)
    return (
        call.request_id,
        account_id,
        account,
        api_slug,
        public_id,
        key_name,
        owner,
        presented.kind if presented else "",
        call.method,
        call.host,
        # Judged as it was sent, logged without secrets.
        redact(call.path),
        call.query,
        "" if route is None else route.module,
        "" if call.client_address is None else str(call.client_address),
        "denied" if decision.reason else "allowed",
        decision.reason,
        decision.rule,
        mask,
        "t" if decision.hlr else "f",
        call.proxy,
        call.user_agent,
        "1",
    )


def _who(key: Key) -> tuple[str, str, str, str, str, str]:
    return str(key.account_id), key.account, key.public_id, key.name, key.owner, "t" if key.mask else "f"


class Folding:
    """Keeps a flood of refusals before any key is known from filling the log: above `LIMIT` in one second they share
    rows, one for each API and reason in a batch.

    Such a row has its first call's request ID, and a value wherever all its calls agree; where they differ it has none.
    """

    LIMIT = 100

    def __init__(self) -> None:
        self._second, self._count = 0, 0

    def fold(self, rows: Sequence[Row]) -> tuple[Sequence[Row], int]:
        """The rows to write, and how many of these refusals there were, for `count`."""
        strangers = sum(not row[_KEY] for row in rows)
        if not strangers:
            return rows, 0
        if int(time.monotonic()) != self._second:
            self._second, self._count = int(time.monotonic()), 0
        room = self.LIMIT - self._count
        if strangers <= room:
            return rows, strangers
        kept: list[Row] = []
        folded: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            if row[_KEY] or room > 0:
                kept.append(row)
                room -= not row[_KEY]
            else:
                folded.setdefault((row[_API], row[_REASON]), []).append(row)
        return kept + [_one(alike) for alike in folded.values()], strangers

    def count(self, strangers: int) -> None:
        self._count += strangers


def _one(rows: list[Row]) -> Row:
    agreed = [column[0] if len(set(column)) == 1 else "" for column in zip(*rows, strict=True)]
    agreed[0], agreed[_FOLDED] = rows[0][0], str(len(rows))
    return tuple(agreed)
