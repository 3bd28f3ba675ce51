"""Where clients reach an API: scheme and host, without a path."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# Nothing else: no user, no path (the document's servers have it), no query.
_HOST = re.compile(r"https?://[a-z0-9._-]+(?::[0-9]{1,5})?")
MAX_LENGTH = 200


def find_request_link_problem(link: str) -> str:
    """Return what is wrong with a request link, as the end of a sentence; empty if nothing is."""
    try:
        good = len(link) <= MAX_LENGTH and _HOST.fullmatch(link) is not None and urlsplit(link).port != 0
    except ValueError:
        good = False
    if good:
        return ""
    return (
        "is not scheme and host alone. Write one like https://api.example.com, and a path before every other into the "
        "document's servers."
    )
