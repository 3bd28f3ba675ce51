"""Look up the names of the APIs and modules in an account's log. `keys`, which keeps APIs, registers the lookup."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from django.db import connection


class LogNames(NamedTuple):
    """Names of APIs and modules by their slugs; modules of two APIs that share a slug share its entry."""

    apis: dict[str, str]
    modules: dict[str, str]


MAX_NICKNAMES = 200
NICKNAMES = "SELECT nickname FROM accounts_user WHERE account_id = %s ORDER BY lower(nickname) LIMIT %s"
Lookup = Callable[[int | None], LogNames]
_lookups: list[Lookup] = []


def list_owner_nicknames(account_id: int) -> list[str]:
    """Return up to MAX_NICKNAMES nicknames of the account's users, as suggestions for the filter."""
    with connection.cursor() as cursor:
        # Plain SQL, because composing this takes Django longer than PostgreSQL takes to run it.
        cursor.execute(NICKNAMES, [account_id, MAX_NICKNAMES])
        return [nickname for (nickname,) in cursor.fetchall()]


def register_lookup(lookup: Lookup) -> None:
    """Make `lookup` the function that returns the names of an account, given its primary key, or of all
    accounts, given None."""
    _lookups[:] = [lookup]


def get_log_names(account_id: int | None) -> LogNames:
    """Return the names of the APIs and modules in the account's log; in all logs, for Support, if it is None."""
    return _lookups[0](account_id)
