"""A WSGI application behind the portal's server that answers with what it received, to test the server around it."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    body = environ["wsgi.input"].read()
    path = environ["PATH_INFO"]
    if path == "/stop":
        os.kill(os.getpid(), signal.SIGTERM)
        # The worker's main thread takes note.
        time.sleep(0.2)
    content = b"x" * 300_000 if path == "/large" else hashlib.sha256(body).hexdigest().encode()
    headers = [("Content-Length", str(len(content))), ("X-Read", str(len(body)))]
    # As the portal does.
    headers += [("Strict-Transport-Security", "max-age=31536000")]
    seen = {"X-Forwarded": "X_FORWARDED_FOR", "X-Seen-Host": "HOST", "X-Seen-Forwarded-Host": "X_FORWARDED_HOST"}
    headers += [(name, environ.get(f"HTTP_{field}", "")) for name, field in seen.items()]
    start_response("200 OK", headers)
    return [content]


@contextmanager
def serve() -> Iterator[int]:
    """Yield the port of the application behind the portal's server."""
    command = [sys.executable, "-m", "gunicorn", "-k", "config.serve.portal_worker.PortalWorker", "--threads", "4"]
    command += ["--keep-alive", "15", "-b", "127.0.0.1:0", "tests.echo_server:application"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONWARNINGS": ""})
    assert server.stderr is not None
    listening = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
    try:
        yield next(int(found[1]) for line in server.stderr if (found := listening.search(line)))
    finally:
        server.terminate()
        server.stderr.close()
        server.wait(30)
