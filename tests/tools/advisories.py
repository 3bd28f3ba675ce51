"""Look every lock up in OSV's database of advisories: `python -m tests.tools.advisories`. Ends with status 1 when a pin
has one, and with an error when the database cannot be asked."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.tools.environment import ROOT, find_tool

LOCKS = [
    ROOT / "requirements.txt",
    ROOT / "requirements-test.txt",
    ROOT / "deploy" / "requirements-build.txt",
    ROOT / "tests" / "tools" / "requirements.txt",
]


def audit(locks: Sequence[Path], *options: str) -> subprocess.CompletedProcess[str]:
    """Run pip-audit over the locks, as they are: nothing is resolved or downloaded."""
    command = [find_tool("pip-audit"), "--strict", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    command += ["--vulnerability-service", "osv", *options]
    for lock in locks:
        command += ["--requirement", str(lock)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    done = audit(LOCKS, *sys.argv[1:])
    sys.stdout.write(done.stdout)
    sys.exit(done.stderr.strip() if done.returncode else 0)
