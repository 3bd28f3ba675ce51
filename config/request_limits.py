"""Limits of one client of the portal, in bytes, seconds and connections, each with its reason.

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
# The form of a page: the largest is the text of an IP list, 1 MB, three times as long when percent-encoded.
MAX_BODY_BYTES = 3 * MIB + 512 * KIB
# The document of an API, at most what keys/apis/file_limits.py reads, in base64 in the form that confirms it.
MAX_DOCUMENT_BODY_BYTES = 24 * MIB
# Bodies above MAX_ANONYMOUS_BODY_BYTES that one process holds at a time, of all clients.
MAX_LARGE_BODIES_BYTES = 64 * MIB

# From the start of a connection or request to the end of its head. Browsers need milliseconds.
HEAD_TIMEOUT_SECONDS = 10.0
# Additional time for a body; the slowest phone is faster.
MIN_BODY_BYTES_PER_SECOND = 64 * KIB
# Between two requests of a connection; a proxy opens another one.
KEEPALIVE_SECONDS = 15.0
# For one block of a response, at most 64 KiB, to a client that does not read; also for a refused client to read its
# response.
SEND_TIMEOUT_SECONDS = 30.0
CLOSE_TIMEOUT_SECONDS = 2.0

# Of one process; fewer where it may open fewer files. Above them, the connection that has waited longest for its
# request is dropped.
MAX_CONNECTIONS = 256
# Descriptors kept free for the threads: each has a connection to the database, perhaps to the replica, a file, a mail
# server's.
RESERVED_DESCRIPTORS = 40
# Of one address that is not a trusted proxy: a browser opens six.
MAX_CONNECTIONS_PER_ADDRESS = 64

_ANONYMOUS = re.compile(r"/(login|logout|password|invitations?|health)(/|$)")
_DOCUMENTS = re.compile(r"/admin/keys/api/")


def get_max_body_bytes(path: str) -> int:
    """Return how many bytes the body of a request to `path` may have."""
    if _ANONYMOUS.match(path):
        return MAX_ANONYMOUS_BODY_BYTES
    return MAX_DOCUMENT_BODY_BYTES if _DOCUMENTS.match(path) else MAX_BODY_BYTES
