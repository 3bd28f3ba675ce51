"""Build hook of the wheel: collect the static files into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CollectStaticFiles(BuildHookInterface):
    """Run `collectstatic` into a folder of its own, which the wheel has as config/wheel/collected."""

    def dependencies(self) -> list[str]:
        """Return the versions of the lock: those whose static files an installation compares with the wheel's."""
        lock = Path(self.root, "requirements.txt").read_text(encoding="utf-8")
        return [line.removesuffix(" \\") for line in lock.splitlines() if line[:1].isalnum()]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="keyward-wheel-"))
        # The demo's settings: the wheel holds no secret, and none is needed to copy files.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "KEYWARD_VAR": str(self._folder)}
        command = [sys.executable, "manage.py", "collectstatic", "--no-input", "--verbosity", "0"]
        subprocess.run(command, cwd=self.root, env=environment, check=True)
        build_data["force_include"][str(self._folder / "static")] = "config/wheel/collected"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._folder)
