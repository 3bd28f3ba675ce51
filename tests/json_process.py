"""A module of the tests as a process that answers calls: a line of JSON for each, `[name, argument]`, and one back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class JsonProcess:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def call(self, name: str, argument: Any) -> Any:
        """Return what the process answers."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, argument]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        return json.loads(line)


@contextmanager
def json_process(
    module: str, *, environ: Mapping[str, str] | None = None, prefix: Sequence[str] = (), cwd: Path = ROOT
) -> Iterator[JsonProcess]:
    """Run a module. `prefix` is a command that runs it elsewhere, such as in a network namespace."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", module],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **(environ or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield JsonProcess(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
