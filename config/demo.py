"""The demo's data: two accounts, a user of each role, keys, and calls that a gateway really decided."""

from __future__ import annotations


def wanted() -> bool:
    return False


def load() -> None:
    return


def lines() -> list[str]:
    return []
