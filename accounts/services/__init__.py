"""The only door through which accounts and users change. Pages, commands and Support's admin call the same functions.

Every function is atomic and writes exactly one event, last. Order of locks: account, acting user, other users, chain.
Services that change users take the account first, so that two people who administer one account work one after the
other.
"""

from __future__ import annotations

from accounts.services.accounts import create_account, set_account_status
from accounts.services.admission import Invalid, LastAdministrator
from accounts.services.invitations import (
    InvitationOver,
    accept_invitation,
    invite,
    open_invitation,
    withdraw_invitation,
)
from accounts.services.passwords import LinkUsed, request_reset, reset_password
from accounts.services.roles import change_roles
from accounts.services.sessions import end_sessions
from accounts.services.settings import Settings, change_settings
from accounts.services.users import OwnUser, create_user, deactivate_user, reactivate_user

__all__ = [
    "Invalid",
    "InvitationOver",
    "LastAdministrator",
    "LinkUsed",
    "OwnUser",
    "Settings",
    "accept_invitation",
    "change_roles",
    "change_settings",
    "create_account",
    "create_user",
    "deactivate_user",
    "end_sessions",
    "invite",
    "open_invitation",
    "reactivate_user",
    "request_reset",
    "reset_password",
    "set_account_status",
    "withdraw_invitation",
]
