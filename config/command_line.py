"""Keyward's commands: `manage.py COMMAND` in a checkout, `keyward COMMAND` where the wheel is installed."""

from __future__ import annotations

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> None:
    """Run the command `keyward`: as manage.py, in the environment that the environment file adds to."""
    from config.env import Misconfigured
    from config.installation import doctor

    command, *arguments = [*sys.argv[1:], ""]
    if command == "doctor":
        doctor.main(arguments[:-1], load_environment)
    # `keyward init` makes the file.
    if command != "init":
        try:
            load_environment()
        except Misconfigured as error:
            sys.exit(str(error))
    run()


def load_environment() -> None:
    """Add the environment file's variables, and where Keyward writes, to the environment. Raise Misconfigured."""
    from config import environment_file, places

    environment_file.load(os.environ)
    # Other processes of this installation work in other folders.
    if not os.environ.get("KEYWARD_VAR"):
        os.environ["KEYWARD_VAR"] = str(places.get_default_var())


def run() -> None:
    """Run the command of `sys.argv`; what the operator can mend ends it with a line for each problem."""
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Run ./start --install, then .venv/bin/python manage.py.")
    from django.db.utils import OperationalError

    from config.env import Misconfigured
    from config.installation import doctor, init

    # These two are there before usable settings are.
    if sys.argv[1:2] == ["init"]:
        init.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["doctor"]:
        doctor.main(sys.argv[2:], lambda: None)
    if sys.argv[1:3] == ["serve", "gateway"]:
        # Its settings need less than the portal's.
        os.environ["KEYWARD_PLANE"] = "gateway"
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
