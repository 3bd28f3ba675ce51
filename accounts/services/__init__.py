"""The services that change accounts and users, for pages, commands and Support's administration alike.

Every function is atomic and records exactly one event, last. Lock order: account, acting user, other users, chain.
Services that change users lock the account first, so that two Administrators of one account work one after the other.
"""

from __future__ import annotations

from accounts.services.accounts import build_account, create_account, set_account_status
from accounts.services.factors import (
    LastFactor,
    TotpNotAdded,
    add_passkey,
    add_totp,
    change_password,
    remove_factor,
    replace_recovery_codes,
)
from accounts.services.invitations import (
    InvalidInvitation,
    accept_invitation,
    find_invitation,
    find_member_problem,
    invite,
    withdraw_invitation,
)
from accounts.services.locks import Invalid, LastAdministrator, build_account_target, build_user_target, format_errors
from accounts.services.passwords import InvalidResetLink, request_reset, reset_password, set_password
from accounts.services.recovery import appoint_administrator, get_appointment_target, remove_second_factors
from accounts.services.roles import change_roles
from accounts.services.sessions import end_other_sessions, end_session, end_sessions
from accounts.services.settings import Settings, change_settings
from accounts.services.support import grant_support, revoke_support
from accounts.services.users import SelfDeactivation, build_user, create_user, deactivate_user, reactivate_user

__all__ = [
    "Invalid",
    "InvalidInvitation",
    "InvalidResetLink",
    "LastAdministrator",
    "LastFactor",
    "SelfDeactivation",
    "Settings",
    "TotpNotAdded",
    "accept_invitation",
    "add_passkey",
    "add_totp",
    "appoint_administrator",
    "build_account",
    "build_account_target",
    "build_user",
    "build_user_target",
    "change_password",
    "change_roles",
    "change_settings",
    "create_account",
    "create_user",
    "deactivate_user",
    "end_other_sessions",
    "end_session",
    "end_sessions",
    "find_invitation",
    "find_member_problem",
    "format_errors",
    "get_appointment_target",
    "grant_support",
    "invite",
    "reactivate_user",
    "remove_factor",
    "remove_second_factors",
    "replace_recovery_codes",
    "request_reset",
    "reset_password",
    "revoke_support",
    "set_account_status",
    "set_password",
    "withdraw_invitation",
]
