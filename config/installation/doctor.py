"""`keyward doctor`: check the configuration, the files, the database and what runs; say of each fault what would be
right. It changes nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from config.env import Misconfigured

Section = tuple[str, list[str]]


def main(arguments: list[str], load_environment: Callable[[], None]) -> NoReturn:
    """Print a line for each thing that was checked, and end with status 1 if anything is wrong."""
    if arguments:
        sys.exit("usage: keyward doctor\n\nCheck the installation and what runs; it changes nothing.")
    failed = 0
    for name, problems in check_installation(load_environment):
        if not problems:
            sys.stdout.write(f"good   {name}\n")
        for problem in problems:
            failed += 1
            sys.stdout.write(f"WRONG  {name}: {problem}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{failed} things are wrong.\n" if failed else "Everything that was checked is good.\n")
    sys.exit(1 if failed else 0)


def check_installation(load_environment: Callable[[], None]) -> Iterator[Section]:
    """Yield what was checked with its problems. Without usable settings, nothing beyond them can be checked."""
    problems = _read_configuration(load_environment)
    yield "configuration", problems
    if problems:
        return
    import django

    django.setup()
    from django.conf import settings

    from config.installation import database_checks, file_checks, running_checks

    yield "check --deploy", database_checks.check_deploy()
    yield "gateway.env", file_checks.check_gateway_file(os.environ)
    yield "KEYWARD_VAR", file_checks.check_folder(settings.VAR)
    yield "static files", running_checks.check_static_files()
    yield from _check_database()
    running: list[tuple[str, Callable[[], list[str]]]] = [
        ("mail server", running_checks.check_mail),
        ("portal", running_checks.check_portal),
        ("gateway", running_checks.check_gateway),
        ("proxy in front of the portal", running_checks.check_proxy),
    ]
    for name, check in running:
        yield name, check()


def _check_database() -> Iterator[Section]:
    """Yield the checks that each role allows; a role that cannot connect ends its own."""
    from config.installation import database_checks as checks
    from config.serve import preflight
    from keys.services import resealing

    owner = checks.describe_failure(checks.check_owner, "MAINTENANCE_DATABASE_URL")
    yield "database, owner's role", owner
    roles = checks.describe_failure(checks.check_roles, "DATABASE_URL")
    yield "database, application's role", roles
    if any(problem.startswith(checks.AWAY) for problem in roles):
        return
    schema = checks.describe_failure(checks.check_schema, "DATABASE_URL")
    yield "migrations and rights", schema
    if schema and preflight.describe_pending_migrations():
        return
    if not any(problem.startswith(checks.AWAY) for problem in owner):
        yield "objects under the logs", checks.describe_failure(checks.check_log_tables, "MAINTENANCE_DATABASE_URL")
    rest: list[tuple[str, Callable[[], list[str]]]] = [
        ("keys of stored secrets", resealing.list_unreadable),
        ("partitions", checks.check_partitions),
        ("maintain", checks.check_maintain),
        ("verification", checks.check_verification),
    ]
    for name, check in rest:
        yield name, checks.describe_failure(check, "DATABASE_URL")
    yield "replica", checks.describe_failure(checks.check_replica, "REPLICA_DATABASE_URL")


def _read_configuration(load_environment: Callable[[], None]) -> list[str]:
    """Read the environment file and the settings; return what is wrong, a line each."""
    try:
        load_environment()
        from django.conf import settings

        settings.KEYWARD_MODE  # noqa: B018
    except Misconfigured as error:
        return str(error).splitlines()
    return []
