"""Keyward's commands: `manage.py COMMAND` in a checkout, `keyward COMMAND` where the wheel is installed."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Django's command of this name would print Django's version.
VERSION = ("version", "--version")


@contextmanager
def end_with_reader() -> Iterator[None]:
    """End the process quietly, with the status of SIGPIPE, when standard output's reader is gone, as after `| head`."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        output = select.poll()
        output.register(sys.stdout, 0)
        if not output.poll(0):
            # It was another pipe, or a connection.
            raise
        # Python flushes it once more as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


@end_with_reader()
def main() -> None:
    """Run the command `keyward`: as manage.py, in the environment that the environment file adds to."""
    from config.env import Misconfigured
    from config.installation import doctor, health

    command, *arguments = [*sys.argv[1:], ""]
    if command == "doctor":
        doctor.main(arguments[:-1], load_environment)
    if command == "health":
        health.main(arguments[:-1], load_environment)
    # `keyward init` makes the file.
    if command not in ("init", *VERSION):
        try:
            load_environment()
        except Misconfigured as error:
            sys.exit(str(error))
    run()


def load_environment() -> None:
    """Add the environment file's variables, and where Keyward writes, to the environment. Raise Misconfigured."""
    from config import environment_file, places

    environment_file.load(os.environ)
    # Other processes of this installation have other working folders.
    if not os.environ.get("KEYWARD_VAR"):
        os.environ["KEYWARD_VAR"] = str(places.get_default_var())


@end_with_reader()
def run() -> None:
    """Run the command of `sys.argv`; an error that the operator can fix ends it with one line for each problem."""
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Run ./start --install, then .venv/bin/python manage.py.")
    from django.core.management.base import BaseCommand
    from django.db.utils import OperationalError

    from config import places
    from config.env import Misconfigured
    from config.installation import doctor, health, init

    # These work without usable settings.
    if sys.argv[1:2] and sys.argv[1] in VERSION:
        sys.stdout.write(f"Keyward {places.read_version()}\n")
        return
    if sys.argv[1:2] == ["init"]:
        init.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["doctor"]:
        doctor.main(sys.argv[2:], lambda: None)
    if sys.argv[1:2] == ["health"]:
        health.main(sys.argv[2:], lambda: None)
    if sys.argv[1:3] == ["serve", "gateway"]:
        # Its settings require fewer variables than the portal's.
        os.environ["KEYWARD_PLANE"] = "gateway"
    # They check the code, as `check` does, and would import every page before any other command.
    BaseCommand.requires_system_checks = ()
    try:
        # Settings are read before Django dispatches, because its dispatcher would go on without them.
        from django.conf import settings

        settings.KEYWARD_MODE  # noqa: B018
        execute_from_command_line(sys.argv)
    except Misconfigured as error:
        sys.exit(str(error))
    except OperationalError as error:
        # libpq's text names the address that was tried, on lines of its own; never a password.
        sys.exit(f"The database does not answer: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit(130)
