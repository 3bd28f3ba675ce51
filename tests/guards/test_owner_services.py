"""Users are deactivated and reactivated by way of their keys, so that the trail of each key says that it stopped."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_goes_round_the_keys() -> None:
    used = {
        str(path.relative_to(ROOT))
        for package in ("accounts", "audit", "config", "core", "gateway", "keys")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"\b(de|re)activate_user\b", path.read_text())
    }
    assert used == {"accounts/services/__init__.py", "accounts/services/users.py", "keys/services/ownership.py"}
