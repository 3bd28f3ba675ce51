"""A small WSGI application for tests of the server around it: it says what it received."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    content = b"x" * 300_000 if path == "/large" else hashlib.sha256(body).hexdigest().encode()
    headers = [("Content-Length", str(len(content))), ("X-Read", str(len(body)))]
    seen = {"X-Forwarded": "X_FORWARDED_FOR", "X-Seen-Host": "HOST", "X-Seen-Forwarded-Host": "X_FORWARDED_HOST"}
    headers += [(name, environ.get(f"HTTP_{field}", "")) for name, field in seen.items()]
    start_response("200 OK", headers)
    return [content]


@contextmanager
def serve() -> Iterator[int]:
    """Yield the port of the application behind the portal's server."""
    command = [sys.executable, "-m", "gunicorn", "-k", "config.serve.portal_worker.PortalWorker", "--threads", "4"]
    command += ["--keep-alive", "15", "-b", "127.0.0.1:0", "tests.echoing:application"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": ""})
    assert server.stderr is not None
    listening = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
    try:
        yield next(int(found[1]) for line in server.stderr if (found := listening.search(line)))
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(30)
