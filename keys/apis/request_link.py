"""Validate the base URL of an API: scheme and host, without a path."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# No user info, no query, and no path, which belongs to the document's servers.
_HOST = re.compile(r"https?://[a-z0-9._-]+(?::[0-9]{1,5})?")
MAX_LENGTH = 200


def find_request_link_problem(link: str) -> str:
    """Return what is wrong with a request link, as the end of a sentence; empty if it is valid."""
    try:
        good = len(link) <= MAX_LENGTH and _HOST.fullmatch(link) is not None and urlsplit(link).port != 0
    except ValueError:
        good = False
    if good:
        return ""
    return (
        "is not just a scheme and a host. Write one such as https://api.example.com, and put a common path into the "
        "document's servers."
    )
