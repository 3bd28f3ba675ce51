"""Make the bill of materials of what runs, CycloneDX in JSON: `python -m tests.tools.bill_of_materials FILE`. The file
is the same for the same lock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.tools.environment import ROOT, find_tool


def make(lock: Path, file: Path) -> None:
    """Write what `lock` names, each package with its hashes; valid by CycloneDX's schema, or an error."""
    command = [find_tool("cyclonedx-py"), "requirements", "--pyproject", str(ROOT / "pyproject.toml"), "--validate"]
    command += ["--output-reproducible", "--output-format", "JSON", "--output-file", str(file), str(lock)]
    subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    make(ROOT / "requirements.txt", Path(sys.argv[1]))
