"""The environment file of the command `keyward`: `NAME=value` lines that sh, systemd and this module read alike."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from config.env import Misconfigured

VARIABLE = "KEYWARD_ENV_FILE"
# The variable's value when the environment is complete without a file.
NONE = "none"
PLACES = (Path("keyward.env"), Path("/etc/keyward/keyward.env"))
LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
# Values that sh and systemd read unquoted as they are.
PLAIN = re.compile(r"[\w@%+=:,./\[\]~?-]*", re.ASCII)
QUOTED = re.compile(r"'([^'\n]*)'")
# The variables that `load` took from the file.
_added: set[str] = set()


def find() -> Path | None:
    """Return the environment file: the one that KEYWARD_ENV_FILE names, else the first of PLACES that exists."""
    configured = os.environ.get(VARIABLE, "").strip()
    if configured:
        return None if configured == NONE else Path(configured)
    for place in PLACES:
        try:
            place.stat()
        except FileNotFoundError:
            continue
        except PermissionError as error:
            # A working folder that this user cannot enter, such as that of whoever calls sudo, holds no file for them.
            if place.is_absolute():
                raise Misconfigured(_describe_unreadable(place, error)) from error
            continue
        except OSError as error:
            raise Misconfigured(_describe_unreadable(place, error)) from error
        return place
    return None


def load(environ: MutableMapping[str, str]) -> None:
    """Add the file's variables to `environ`; variables that are set keep their values."""
    path = find()
    if path is None:
        return
    added = {name: value for name, value in read(path).items() if name not in environ}
    _added.update(added)
    environ.update(added)
    environ[VARIABLE] = str(path.absolute())


def reload(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with the file's current variables, or unchanged if no file was loaded."""
    inherited = {name: value for name, value in environ.items() if name not in _added}
    file = environ.get(VARIABLE, NONE)
    return dict(environ) if file == NONE or not _added else read(Path(file)) | inherited


def read(path: Path) -> dict[str, str]:
    """Return the file's variables. Raise Misconfigured with a line for each problem, without values."""
    try:
        with path.open(encoding="utf-8") as file:
            if problem := describe_mode(path, os.fstat(file.fileno())):
                raise Misconfigured(problem)
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(_describe_unreadable(path, error)) from error
    variables: dict[str, str] = {}
    problems = list(_parse(path, text, variables))
    if problems:
        raise Misconfigured("\n".join(problems))
    return variables


def format_line(name: str, value: str) -> str:
    """Return a line that sh, systemd and `read` understand alike."""
    return f"{name}={value}" if PLAIN.fullmatch(value) else f"{name}='{value}'"


def describe_mode(path: Path, status: os.stat_result) -> str:
    """Return the problem with the owner or the mode of a file that holds secrets; empty if there is none."""
    if status.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to another user: it must be root's or this user's (chown {os.geteuid()} {path})."
    if status.st_mode & 0o027:
        mode = stat.S_IMODE(status.st_mode)
        return f"{path} has mode {mode:o}: other users must not open it, nor its group write it (chmod 600 {path})."
    return ""


def _parse(path: Path, text: str, variables: dict[str, str]) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = LINE.fullmatch(line.rstrip())
        quoted = QUOTED.fullmatch(match[2]) if match else None
        if not match:
            yield f"{path}:{number} is not usable: it must be NAME=value, without spaces around the =, or a # comment."
        elif not quoted and not PLAIN.fullmatch(match[2]):
            yield f"{path}:{number} {match[1]} is not usable: its value must stand in '...' for the sake of sh."
        elif match[1] in variables:
            yield f"{path}:{number} {match[1]} is set twice: leave one of the lines out."
        else:
            variables[match[1]] = quoted[1] if quoted else match[2]


def _describe_unreadable(path: Path, error: OSError | UnicodeDecodeError) -> str:
    reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
    return (
        f"{VARIABLE} {str(path)!r} is not usable: it must be a text file that this user may read ({reason}). "
        f"{VARIABLE}={NONE} reads no file."
    )
