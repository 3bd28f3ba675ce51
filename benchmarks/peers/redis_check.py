"""nginx with Lua and Redis: what those build who need more calls a second than a database takes. Redis syncs its file
once a second, so rows of the last second can be lost, and an answer never waits for the disk."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.servers import NGINX, Server, free_port, started

MODULES = Path("/usr/lib/nginx/modules")
REDIS = shutil.which("redis-server")
# Debian's libnginx-mod-http-lua, lua-nginx-redis and redis-server.
IS_INSTALLED = bool(
    NGINX
    and REDIS
    and (MODULES / "ngx_http_lua_module.so").exists()
    and Path("/usr/share/lua/5.1/nginx/redis.lua").exists()
)
CONFIGURATION = """
load_module {modules}/ndk_http_module.so; load_module {modules}/ngx_http_lua_module.so;
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000000; lua_package_path "/usr/share/lua/5.1/?.lua;;";
    server {{
        listen 127.0.0.1:{port};
        location = /live {{ return 200; }}
        location = /check {{ set $redis_socket {folder}/redis; content_by_lua_file {script}; }}
    }}
}}
"""


@contextmanager
def redis_check(tokens: Sequence[str]) -> Iterator[Server]:
    """Run Redis with these keys, and nginx with one worker that asks it."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The worker runs as another user where root starts it.
        folder.chmod(0o755)
        options = "--port 0 --unixsocketperm 777 --appendonly yes --appendfsync everysec --loglevel warning"
        command = [str(REDIS), "--unixsocket", f"{name}/redis", "--dir", name, "--save", "", *options.split()]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as redis:
            try:
                _store_keys(folder / "redis", tokens)
                script = Path(__file__).with_suffix(".lua")
                configuration = CONFIGURATION.format(modules=MODULES, folder=folder, port=port, script=script)
                (folder / "conf").write_text(configuration)
                command = [str(NGINX), "-c", str(folder / "conf"), "-e", "stderr", "-p", name]
                with started(port, command, {}, "/live") as server:
                    yield server
            finally:
                redis.terminate()


def _store_keys(path: Path, tokens: Sequence[str]) -> None:
    deadline = time.monotonic() + 10
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    words = [b"HSET", b"keys"]
    for number, token in enumerate(tokens):
        words += [base64.b64encode(hmac.digest(b"pepper", token.encode(), hashlib.sha1)), f"Shop {number}".encode()]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        if not (answer := client.recv(100)).startswith(b":"):
            raise RuntimeError(f"Redis answered {answer!r}")
