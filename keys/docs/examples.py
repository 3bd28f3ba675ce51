"""Worked examples: a signed request, a recording link, and queries that are easily signed wrong. Pure.

The secret is published and belongs to no key.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from keys.crypto import signatures
from keys.docs.page import FirstCall

# The secret of docs/signature-vectors.json; no key has it.
PUBLISHED = "kw_Example12345_ThisSecretIsPublishedForTestsOnl4OVm7o"
TIME = 1767225600
NONCE = "example-nonce-0001"
LEAD = "lead-1001"
# Queries and the rule that each shows. docs/signature-vectors.json has more, as complete requests.
QUERIES = (
    ("b=2&a=1", "Sorted by name"),
    ("id=9&id=10&id=1", "Then by value, as strings"),
    ("a10=1&a-b=2&a=3", "By name, not by joined pair, where a=3 would be last"),
    ("q=a+b&r=a%20b", "A plus is a plus; a space is %20"),
    ("q=%c3%a9~*", "Upper-case hex digits; ~ is kept, * is encoded"),
    ("q&&r=", "Always with =; empty pieces are dropped"),
)


class Example(NamedTuple):
    """The signed text, line by line, and its signature."""

    secret: str
    lines: tuple[str, ...]
    signature: str


class Query(NamedTuple):
    """A query as sent, and in canonical form."""

    sent: str
    signed: str
    about: str


def list_queries() -> list[Query]:
    return [Query(sent, signatures.build_canonical_query(sent), about) for sent, about in QUERIES]


def build_signed_request(call: FirstCall) -> Example:
    parts = urlsplit(call.url)
    text = signatures.build_string_to_sign(
        method=call.method,
        path=unquote(parts.path),
        query=parts.query,
        timestamp=str(TIME),
        nonce=NONCE,
        body_sha256=sha256(call.body.encode()).hexdigest(),
    )
    return Example(PUBLISHED, tuple(text.split("\n")), signatures.sign(PUBLISHED, text))


def build_signed_link() -> Example:
    text = signatures.build_lead_to_sign(LEAD, str(TIME))
    return Example(PUBLISHED, (text,), signatures.sign(PUBLISHED, text))
