"""The checks of `keyward doctor` on files: who can open them, and whether the two environment files agree."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from config import environment_file
from config.env import Misconfigured
from config.installation.environment import GATEWAY_FILE, OF_THE_PORTAL_ALONE


def check_gateway_file(environ: Mapping[str, str]) -> list[str]:
    """Return problems of the gateway.env beside the loaded environment file; none if there is no such file."""
    place = environ.get(environment_file.VARIABLE, environment_file.NONE)
    path = Path(place).with_name(GATEWAY_FILE)
    if place in (environment_file.NONE, str(path)) or not path.exists():
        return []
    try:
        variables = environment_file.read(path)
    except Misconfigured as error:
        return str(error).splitlines()
    withheld = [name for name in variables if name.removesuffix("_FILE") in OF_THE_PORTAL_ALONE]
    problems = [f"{path} has {name}, which a gateway must not have: delete the line." for name in withheld]
    different = [name for name, value in variables.items() if name in environ and environ[name] != value]
    problems += [
        f"{path} has another {name} than {place}: both planes need the same, so correct one of them and reload."
        for name in different
        if name not in withheld
    ]
    return problems


def check_folder(folder: Path) -> list[str]:
    """Return problems with the owner and the mode of KEYWARD_VAR."""
    mode, problems = stat.S_IMODE(folder.stat().st_mode), []
    if mode & 0o077:
        problems.append(f"KEYWARD_VAR {folder} has mode {mode:o}: nobody else may open it (chmod 700 {folder}).")
    if not os.access(folder, os.W_OK | os.X_OK):
        problems.append(f"KEYWARD_VAR {folder} cannot be written by this user: run as the user that serves.")
    return problems
