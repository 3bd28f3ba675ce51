"""Keyward as its wheel installs it: in a virtual environment of its own, run in a folder outside the repository."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import sysconfig
import threading
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.gateways import free_port

ROOT = Path(__file__).resolve().parents[1]


def build_wheel(folder: Path, checkout: Path = ROOT) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def install(wheel: Path, folder: Path) -> Path:
    """Install the wheel in a new environment, where its dependencies are those of this one; return its programs."""
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    # pip belongs to the Python that made this environment.
    pip = [str(Path(sys.base_prefix) / "bin" / "python3"), "-m", "pip", "--python", str(python)]
    subprocess.run([*pip, "install", "-q", "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    purelib = next((folder / "lib").glob("python3*")) / "site-packages"
    (purelib / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def link_checkout(folder: Path, checkout: Path = ROOT) -> Path:
    """Make a command `keyward` that runs a checkout, with this one's packages; return its folder."""
    folder.mkdir()
    program = folder / "keyward"
    python = f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(checkout)!r})\n"
    program.write_text(f"{python}from config.command_line import main\nmain()\n")
    program.chmod(0o755)
    return folder


@dataclass
class Installation:
    """The command `keyward` in a folder, with ports of its own."""

    programs: Path
    folder: Path
    ports: dict[str, str] = field(
        default_factory=lambda: {"PORT": str(free_port()), "GATEWAY_PORT": str(free_port())},
    )

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self.programs}:{os.defpath}", "HOME": str(self.folder)} | self.ports

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.programs / "keyward"), *arguments],
            cwd=self.folder,
            env=self.environ | environ,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    @contextmanager
    def serve(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """Within, `keyward serve` is ready; it has no terminal."""
        with (self.folder / "serve.log").open("w") as log:
            process = subprocess.Popen(
                [str(self.programs / "keyward"), "serve", *arguments],
                cwd=self.folder,
                env=self.environ | environ,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        timer = threading.Timer(120, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            assert any(line == "Ready\n" for line in process.stdout), self.read_log()
            timer.cancel()
            yield process
        finally:
            timer.cancel()
            process.send_signal(signal.SIGTERM)
            process.wait(90)
            process.stdout.close()

    def has_logged(self, text: str) -> bool:
        return text in self.read_log()

    def read_log(self) -> str:
        return (self.folder / "serve.log").read_text()
