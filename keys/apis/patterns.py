"""Patterns in policies: `*` stands for any characters, `/` included, and every other character for itself. Pure."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Return whether the whole text matches. Never backtracks, so that no pattern is expensive."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - len(last) >= at and text.endswith(last)
