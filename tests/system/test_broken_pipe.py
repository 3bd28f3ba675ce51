"""A command whose output is read no further, as by `| head`, ends quietly."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from config.command_line import end_with_reader
from tests.installation import Installation, link_checkout


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["doctor", "health", "help", "version"])
def test_a_command_ends_as_by_sigpipe(command: str, unbuffered: str, tmp_path: Path) -> None:
    installation = Installation(link_checkout(tmp_path / "bin"), tmp_path)
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [str(installation.programs / "keyward"), command],
            cwd=tmp_path,
            env=installation.environ | {"PYTHONUNBUFFERED": unbuffered},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_another_broken_pipe_is_an_error() -> None:
    with pytest.raises(BrokenPipeError), end_with_reader():
        raise BrokenPipeError
