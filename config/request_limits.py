"""Limits of one client of the portal, in bytes, seconds and connections, each with its reason.

The gateway's are in gateway/limits.py and gateway/http/http_limits.py, those of sign-in and confirmation in
accounts/signin/rate_limits.py.
"""

from __future__ import annotations

import re

KIB, MIB = 1024, 1024 * 1024

# A request's line and headers: gunicorn's own limits allow no more that makes sense (config/serve/gunicorn_portal.py).
MAX_HEAD_BYTES = 32 * KIB
# Nobody is signed in yet: an e-mail, a password, a code.
MAX_ANONYMOUS_BODY_BYTES = 64 * KIB
# A page's form: the largest is an IP list's text of 1 MB, which percent-encoding makes three times as long.
MAX_BODY_BYTES = 3 * MIB + 512 * KIB
# An API's document, as keys/apis/yaml_loader.py reads it at most, in base64 in the form that confirms it.
MAX_DOCUMENT_BODY_BYTES = 24 * MIB
# Bodies beyond MAX_ANONYMOUS_BODY_BYTES that one process holds at a time, whoever sends them.
MAX_LARGE_BODIES_BYTES = 64 * MIB

# From a connection's or a request's first moment to the end of its head. Browsers take milliseconds.
HEAD_TIMEOUT_SECONDS = 10.0
# What a body may take beyond that; the slowest telephone is faster.
MIN_BODY_BYTES_PER_SECOND = 64 * KIB
# An idle connection between two requests; a proxy opens another.
KEEPALIVE_SECONDS = 15.0
# One block of an answer, 64 KiB at the most, to a client that does not read; also what a refused client is given to
# read the answer.
SEND_TIMEOUT_SECONDS = 30.0
CLOSE_TIMEOUT_SECONDS = 2.0

# Of one process; fewer where it may open fewer files. Beyond them the connection that has waited longest for its
# request makes room.
MAX_CONNECTIONS = 256
# Descriptors left for the threads: each has a database connection, perhaps the replica's, a file, the mail server's.
RESERVED_DESCRIPTORS = 40
# Of one address that is not a trusted proxy: a browser opens six.
MAX_CONNECTIONS_PER_ADDRESS = 64

_ANONYMOUS = re.compile(r"/(login|logout|password|invitations?|health)(/|$)")
_DOCUMENTS = re.compile(r"/admin/keys/api/")


def get_max_body_bytes(path: str) -> int:
    """Return how long the body of a request to `path` may be."""
    if _ANONYMOUS.match(path):
        return MAX_ANONYMOUS_BODY_BYTES
    return MAX_DOCUMENT_BODY_BYTES if _DOCUMENTS.match(path) else MAX_BODY_BYTES
