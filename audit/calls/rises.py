"""Hours in which a key or an account had many more refusals than before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection

# Refusals in an hour that are worth a look.
KEY_FLOOR, ACCOUNT_FLOOR = 50, 200
# And how many times as many they must be as in the most refused hour of the days before.
RISE_FACTOR, DAYS_BEFORE = 3, 7
ALLOWED = ("", "preflight")
_RISES = Path(__file__).with_name("rises.sql").read_text(encoding="utf-8")


class Rise(NamedTuple):
    """The refusals of an hour, the most in any hour of the days before, and the reasons. `key_id` is empty for those of
    all keys of the account."""

    account_id: int
    key_id: str
    hour: datetime
    refused: int
    before: int
    reasons: Mapping[str, int]


def _parse_row(row: tuple[Any, ...]) -> Rise:
    *columns, reasons = row
    # Django makes psycopg return JSON as text.
    return Rise._make((*columns, json.loads(reasons)))


def list_rises(since: datetime, until: datetime) -> list[Rise]:
    """Return the rises in the sealed hours between. An account of which a key rose in the same hour is left out."""
    values: dict[str, Any] = {
        "since": since,
        "until": until,
        "allowed": list(ALLOWED),
        "key_floor": KEY_FLOOR,
        "account_floor": ACCOUNT_FLOOR,
        "factor": RISE_FACTOR,
        "days": DAYS_BEFORE,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RISES, values)
        rows = cursor.fetchall()
    rises = [_parse_row(row) for row in rows]
    hours_with_keys = {(rise.account_id, rise.hour) for rise in rises if rise.key_id}
    return [rise for rise in rises if rise.key_id or (rise.account_id, rise.hour) not in hours_with_keys]
