"""Keyward's commands: `manage.py COMMAND` in a checkout, `keyward COMMAND` where the wheel is installed."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command `keyward`: as manage.py, in the environment that the environment file adds to."""
    from config import environment_file, places
    from config.env import Misconfigured

    # `keyward init` makes the file.
    if sys.argv[1:2] != ["init"]:
        try:
            environment_file.load(os.environ)
        except Misconfigured as error:
            sys.exit(str(error))
        # Other processes of it work in other folders.
        if not os.environ.get("KEYWARD_VAR"):
            os.environ["KEYWARD_VAR"] = str(places.get_default_var())
    run()


def run() -> None:
    """Run the command of `sys.argv`; what the operator can mend ends it with a line for each problem."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Run ./start --install, then .venv/bin/python manage.py.")
    from django.db.utils import OperationalError

    from config.env import Misconfigured
    from config.installation import init

    if sys.argv[1:2] == ["init"]:
        # There are no settings yet.
        init.main(sys.argv[2:])
        return
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
