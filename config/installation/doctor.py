"""`keyward doctor`: check the configuration, the files, the database and the running processes, and say how to fix each
problem. It changes nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from typing import NoReturn

from config.env import Misconfigured

Section = tuple[str, list[str]]


def main(arguments: list[str], load_environment: Callable[[], None]) -> NoReturn:
    """Print a line for each check, and exit with status 1 if there is a problem."""
    if arguments:
        sys.exit("usage: keyward doctor\n\nCheck the installation and the running services. Nothing is changed.")
    failed = 0
    for name, problems in check_installation(load_environment):
        if not problems:
            sys.stdout.write(f"good   {name}\n")
        for problem in problems:
            failed += 1
            sys.stdout.write(f"WRONG  {name}: {problem}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{failed} things are wrong.\n" if failed else "All checks passed.\n")
    sys.exit(1 if failed else 0)


def check_installation(load_environment: Callable[[], None]) -> Iterator[Section]:
    """Yield each check with its problems. Without usable settings nothing beyond them is checked."""
    problems = _read_configuration(load_environment)
    yield "configuration", problems
    if problems:
        return
    import django

    django.setup()
    from django.conf import settings

    from config.installation import api_proxy_checks, database_checks, file_checks, host_checks, running_checks

    yield "check --deploy", database_checks.check_deploy()
    yield "gateway.env", file_checks.check_gateway_file(os.environ)
    yield "KEYWARD_VAR", file_checks.check_folder(settings.VAR)
    yield "static files", running_checks.check_static_files()
    yield "disks", host_checks.check_disks()
    has_tables = yield from _check_database()
    running: list[tuple[str, Callable[[], list[str]]]] = [
        ("mail server", running_checks.check_mail),
        ("portal", running_checks.check_portal),
        ("gateway", running_checks.check_gateway),
        ("proxy in front of the portal", running_checks.check_proxy),
    ]
    if has_tables:
        running.append(("proxies in front of the APIs", api_proxy_checks.check_api_proxies))
    for name, check in running:
        yield name, check()


def _check_database() -> Generator[Section, None, bool]:
    """Yield the checks of each database role; a role that cannot connect skips its own. Return whether this version's
    tables can be read."""
    from config.installation import database_checks as checks
    from config.installation import host_checks
    from config.serve import preflight
    from keys.services import resealing

    owner = checks.describe_failure(checks.check_owner, "MAINTENANCE_DATABASE_URL")
    yield "database, owner's role", owner
    roles = checks.describe_failure(checks.check_roles, "DATABASE_URL")
    yield "database, application's role", roles
    if any(problem.startswith(checks.AWAY) for problem in roles):
        return False
    yield "clock", checks.describe_failure(host_checks.check_clock, "DATABASE_URL")
    schema = checks.describe_failure(checks.check_schema, "DATABASE_URL")
    yield "migrations and rights", schema
    if schema and preflight.describe_pending_migrations():
        return False
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
    return True


def _read_configuration(load_environment: Callable[[], None]) -> list[str]:
    """Read the environment file and the settings; return the problems, one line each."""
    try:
        load_environment()
        from django.conf import settings

        settings.KEYWARD_MODE  # noqa: B018
    except Misconfigured as error:
        return str(error).splitlines()
    return []
