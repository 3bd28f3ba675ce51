"""Match patterns of policies, in which `*` stands for any characters, `/` included. Pure."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Return whether the pattern matches the whole text. Linear in the text: it never backtracks."""
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
