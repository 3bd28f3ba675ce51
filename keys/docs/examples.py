"""One signed request and one recording link, worked out step by step with a published secret. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from keys import signatures

# The one of docs/signature-vectors.json: no key has it.
PUBLISHED = "kw_Example12345_ThisSecretIsPublishedForTestsOnl4OVm7o"
TIME = 1767225600
NONCE = "example-nonce-0001"
LEAD = "lead-1001"


class Example(NamedTuple):
    """What is signed, line by line, and the signature of it. `address` is the call's, or the link's."""

    secret: str
    address: str
    lines: tuple[str, ...]
    signature: str


def signed_request(address: str) -> Example:
    """A GET of this address, without a body."""
    parts = urlsplit(address)
    text = signatures.string_to_sign(
        method="GET",
        path=unquote(parts.path),
        query=parts.query,
        timestamp=str(TIME),
        nonce=NONCE,
        body_sha256=sha256(b"").hexdigest(),
    )
    return Example(PUBLISHED, address, tuple(text.split("\n")), signatures.sign(PUBLISHED, text))


def signed_link(before_lead: str, api_id: str) -> Example:
    text = signatures.lead_to_sign(LEAD, str(TIME))
    key = signatures.sign(PUBLISHED, text)
    return Example(PUBLISHED, f"{before_lead}/{LEAD}?apiId={api_id}&expires={TIME}&leadIdKey={key}", (text,), key)
