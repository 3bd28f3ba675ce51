"""Limits of the portal for one client, in bytes, seconds and connections, each with its reason.

The gateway's are in gateway/limits.py and gateway/http/http_limits.py, those of sign-in and confirmation in
accounts/signin/rate_limits.py.
"""

from __future__ import annotations

import re

KIB, MIB = 1024, 1024 * 1024

# Request line and headers, just above the limits of gunicorn (config/serve/gunicorn_portal.py).
MAX_HEAD_BYTES = 32 * KIB
# Before sign-in: an e-mail, a password, a code.
MAX_ANONYMOUS_BODY_BYTES = 64 * KIB
# The largest form is the text of an IP list: 1 MB, three times as long when percent-encoded.
MAX_BODY_BYTES = 3 * MIB + 512 * KIB
# The document of an API, at most what keys/apis/file_limits.py reads, in base64 in the form that confirms it.
MAX_DOCUMENT_BODY_BYTES = 24 * MIB
# What is searched for tokens (keys/forms/find.py).
MAX_SEARCHED_BODY_BYTES = 9 * MIB
# Bodies above MAX_ANONYMOUS_BODY_BYTES that one process holds at a time, for all clients.
MAX_LARGE_BODIES_BYTES = 64 * MIB

# From the start of a connection or request to the end of its head. Browsers need milliseconds.
HEAD_TIMEOUT_SECONDS = 10.0
# Additional time for a body; even slow mobile connections are faster.
MIN_BODY_BYTES_PER_SECOND = 64 * KIB
# Between two requests of a connection; a proxy opens another one.
KEEPALIVE_SECONDS = 15.0
# How long one block of a response, at most 64 KiB, waits for a client that does not read, and how long a refused client
# has to read its response.
SEND_TIMEOUT_SECONDS = 30.0
CLOSE_TIMEOUT_SECONDS = 2.0

# Of one process; fewer where it may open fewer files. Above the limit, the connection that has waited longest for its
# request is dropped.
MAX_CONNECTIONS = 256
# Descriptors reserved for the threads: each may have a connection to the database, the replica and a mail server, and a
# file.
RESERVED_DESCRIPTORS = 40
# Of one address that is not a trusted proxy; a browser opens six.
MAX_CONNECTIONS_PER_ADDRESS = 64

_ANONYMOUS = re.compile(r"/(login|logout|password|invitations?|docs|health)(/|$)")
_DOCUMENTS = re.compile(r"/admin/keys/api/")
_SEARCHES = re.compile(r"/(admin/)?find/$")


def get_max_body_bytes(path: str) -> int:
    """Return how many bytes the body of a request to `path` may have."""
    if _ANONYMOUS.match(path):
        return MAX_ANONYMOUS_BODY_BYTES
    if _SEARCHES.match(path):
        return MAX_SEARCHED_BODY_BYTES
    return MAX_DOCUMENT_BODY_BYTES if _DOCUMENTS.match(path) else MAX_BODY_BYTES


def format_too_large(limit: int) -> str:
    """Return the text of the response to a body that has more than `limit` bytes."""
    size = f"{limit // MIB} MiB" if limit % MIB == 0 else f"{limit // KIB} KiB"
    return f"Content Too Large: at most {size} can be sent here.\n"
