"""A small WSGI application for tests of the server around it: it says what it received."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    content = b"x" * 300_000 if path == "/large" else hashlib.sha256(body).hexdigest().encode()
    headers = [("Content-Length", str(len(content))), ("X-Read", str(len(body))), ("X-Worker", str(os.getpid()))]
    start_response("200 OK", headers)
    return [content]
