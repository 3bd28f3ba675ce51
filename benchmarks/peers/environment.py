"""The Python environment of the peers, pinned and hashed, in a folder under `var/`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.installation import ROOT

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


class Offline(Exception):
    """The packages cannot be installed; the message is one line."""


def python() -> Path:
    """Return the interpreter of the environment, created on first use. Raise Offline if packages cannot be
    installed."""
    mark = hashlib.sha256(f"{sys.version} {ROOT}".encode() + REQUIREMENTS.read_bytes()).hexdigest()[:16]
    folder = ROOT / "var" / "benchmark-peers" / mark
    if not folder.exists():
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        print("Installing the peers' packages; this is done once.", flush=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as new:
            install(REQUIREMENTS, Path(new) / "venv")
            # Nothing in it depends on its path but the interpreter, which is a link.
            (Path(new) / "venv").rename(folder)
    return folder / "bin" / "python"


def install(requirements: Path, venv: Path) -> None:
    """Make a virtual environment of what a lock names. Raise Offline if packages cannot be installed."""
    base = str(Path(sys.base_prefix) / "bin" / "python3")
    _run([base, "-m", "venv", "--clear", "--without-pip", str(venv)])
    found = str(venv / "bin" / "python")
    options = ["--quiet", "--only-binary", ":all:", "--require-hashes", "-r", str(requirements)]
    if uv := shutil.which("uv"):
        _run([uv, "pip", "install", "--python", found, *options])
    else:
        pip = [base, "-m", "pip", "--python", found, "install", "--disable-pip-version-check", "--no-input"]
        _run([*pip, *options])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise Offline(lines[-1] if lines else "no reason was given")
