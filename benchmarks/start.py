"""The second `./start`, from the command to the first page."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.installation import ROOT
from benchmarks.servers import free_port


def run(*, quick: bool) -> None:
    rounds = 1 if quick else 5
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=ROOT / "var"))
    try:
        first = _start(folder)
        again = [_start(folder) for _ in range(rounds)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"The first start, with migrations and the demo: {first:.1f} s; then {rounds} more, median\n")
    print(f"start: {median(again):.1f} s (must 5, aim 2)")


def _start(folder: Path) -> float:
    """Return the seconds until the sign-in page is served, and stop."""
    port, gateway = free_port(), free_port()
    environment = os.environ | {"KEYWARD_VAR": str(folder), "PORT": str(port), "GATEWAY_PORT": str(gateway)}
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(ROOT / "start")],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while process.poll() is None and time.perf_counter() - began < 300:
            try:
                with urlopen(f"http://127.0.0.1:{port}/login/", timeout=5) as page:
                    page.read()
                return time.perf_counter() - began
            except (URLError, OSError):
                time.sleep(0.02)
        raise SystemExit("./start did not come up")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
