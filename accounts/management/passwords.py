"""Read a password for a command: never from an argument, which other users of the machine can see."""

from __future__ import annotations

import os
import sys
from getpass import getpass

from django.core.management.base import CommandError


def read_password() -> str:
    if password := os.environ.get("KEYWARD_PASSWORD"):
        return password
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass("Password: ")
    if getpass("Password again: ") != password:
        raise CommandError("password: the two passwords do not match.")
    return password
