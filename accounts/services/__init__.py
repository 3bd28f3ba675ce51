"""The only door through which accounts and users change. Pages, commands and Support's admin call the same functions.

Every function is atomic and writes exactly one event, last. Order of locks: account, acting user, other users, chain.
Services that change users take the account first, so that two people who administer one account work one after the
other.
"""

from __future__ import annotations

from accounts.services.accounts import create_account, set_account_status
from accounts.services.admission import Invalid, LastAdministrator
from accounts.services.users import OwnUser, create_user, deactivate_user, reactivate_user

__all__ = [
    "Invalid",
    "LastAdministrator",
    "OwnUser",
    "create_account",
    "create_user",
    "deactivate_user",
    "reactivate_user",
    "set_account_status",
]
