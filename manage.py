#!/usr/bin/env python3
"""Keyward's commands: `manage.py help`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Django is not installed for this Python. Run ./start --install, then .venv/bin/python manage.py.")
    from django.db.utils import OperationalError

    from config.env import Misconfigured

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


if __name__ == "__main__":
    main()
