"""The parser of documents and policies, for tests that have bytes."""

from __future__ import annotations

from typing import Any

from keys.apis.yaml_loader import decode, parse


def parse_bytes(content: bytes) -> Any:
    """Return the parsed bytes of a file. Raise UnreadableFile."""
    return parse(decode(content))
