"""What processes of this installation are started from: their code and their environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from config import environment_file, places

COMMAND = "keyward"


class Program(NamedTuple):
    """A Python, and the folder that it is run in: in a checkout its top, from which the packages are imported."""

    python: str
    folder: str


def find_program() -> Program:
    """Return where to start processes from: the environment of the command that runs. Its path is resolved anew at each
    call, because a link on it may lead to another version by now. Raise FileNotFoundError where it leads nowhere."""
    command = Path(sys.argv[0])
    if command.name != COMMAND or not places.IS_INSTALLED:
        return Program(sys.executable, str(places.ROOT))
    # Not through the link: a process that imports a module late must get that of its own version.
    programs = command.resolve(strict=True).parent
    return Program(str(programs / "python"), str(programs.parent))


class Origin(NamedTuple):
    program: Program
    environ: Mapping[str, str]


def find_origin(environ: Mapping[str, str]) -> Origin:
    """Return what to start processes from now, with `environ` in which relative paths have become absolute: they run
    in another folder than this process. Raise FileNotFoundError."""
    paths = {name: os.path.abspath(value) for name, value in environ.items() if value and _is_path(name)}
    return Origin(find_program(), dict(environ) | paths)


def _is_path(variable: str) -> bool:
    return variable in ("GATEWAY_SOCKET", "KEYWARD_VAR") or (
        variable.endswith("_FILE") and variable != environment_file.VARIABLE
    )
