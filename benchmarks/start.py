"""The second `./start`, from the command to the first page."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.installation import ROOT
from benchmarks.results import Ratio
from benchmarks.servers import free_port
from benchmarks.sizes import Size


def run(size: Size) -> list[Ratio]:
    rounds = size.choose(quick=1, normal=5, full=9)
    (ROOT / "var").mkdir(mode=0o700, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="benchmark-", dir=ROOT / "var"))
    try:
        first = _start(folder)
        again = [_start(folder) for _ in range(rounds)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"The first start, with migrations and the demo: {first:.1f} s; then {rounds} more, median")
    return [Ratio("start", again, must=5, aim=2, line="{name}: {value:.1f} s (must {must:g}, aim {aim:g})")]


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
