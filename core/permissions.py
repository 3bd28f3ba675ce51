"""Permissions, roles, and the permissions of each role."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models


class Role(models.TextChoices):
    ADMINISTRATOR = "administrator", "Administrator"
    ACCOUNT_READER = "account_reader", "Account Reader"
    AUDITOR = "auditor", "Auditor"
    SUPPORT = "support", "Support"


class Permission(models.TextChoices):
    """Every page and every service names one of these; the label goes on after "Your role does not allow you to". `OWN`
    ones hold for a key's owner without any role."""

    PROFILE = "profile", "see your own profile"
    OVERVIEW_SEE = "overview.see", "see the overview"
    KEYS_SEE = "keys.see", "see all keys"
    KEYS_SEE_OWN = "keys.see_own", "see your own keys"
    ACCESS_CHECK = "access.check", "check what the gateway would decide"
    DOCS_SEE = "docs.see", "see key docs and the API reference"
    KEYS_CHANGE = "keys.change", "create, change or delete keys, or see their secrets"
    KEYS_DISABLE = "keys.disable", "disable keys"
    IP_LISTS_SEE = "ip_lists.see", "see IP lists"
    IP_LISTS_CHANGE = "ip_lists.change", "create, change or delete IP lists"
    IP_LISTS_IMPORT = "ip_lists.import", "add entries to IP lists"
    LOG_SEE = "log.see", "see the API log"
    TRAIL_SEE = "trail.see", "see the audit trail"
    LOG_EXPORT = "log.export", "export the API log or the audit trail"
    LISTS_EXPORT = "lists.export", "export keys, users or IP lists"
    ACCOUNTS_CHANGE = "accounts.change", "activate or suspend accounts"
    USERS_SEE = "users.see", "see users, roles and settings"
    USERS_CHANGE = "users.change", "change users, roles or settings"
    USERS_DEACTIVATE = "users.deactivate", "deactivate users or end their sessions"
    USERS_RECOVER = "users.recover", "remove second factors of users or appoint Administrators"
    ADMINISTRATION = "administration", "open the administration"
    APIS_CHANGE = "apis.change", "change APIs and policies or enable them for accounts"


_P = Permission

# Held by every signed-in user, and by every user of an account.
SIGNED_IN_PERMISSIONS: frozenset[Permission] = frozenset({_P.PROFILE})
MEMBER_PERMISSIONS: frozenset[Permission] = frozenset({_P.PROFILE, _P.KEYS_SEE_OWN, _P.DOCS_SEE})

ACCOUNT_ROLES: tuple[Role, ...] = (Role.ADMINISTRATOR, Role.ACCOUNT_READER, Role.AUDITOR)

ROLE_PERMISSIONS: dict[str, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(
        {
            _P.OVERVIEW_SEE,
            _P.KEYS_SEE,
            _P.ACCESS_CHECK,
            _P.KEYS_CHANGE,
            _P.KEYS_DISABLE,
            _P.IP_LISTS_SEE,
            _P.IP_LISTS_CHANGE,
            _P.IP_LISTS_IMPORT,
            _P.LOG_SEE,
            _P.TRAIL_SEE,
            _P.LOG_EXPORT,
            _P.LISTS_EXPORT,
            _P.USERS_SEE,
            _P.USERS_CHANGE,
            _P.USERS_DEACTIVATE,
        }
    ),
    Role.ACCOUNT_READER: frozenset({_P.OVERVIEW_SEE, _P.KEYS_SEE, _P.IP_LISTS_SEE, _P.LOG_SEE}),
    Role.AUDITOR: frozenset(
        {
            _P.OVERVIEW_SEE,
            _P.KEYS_SEE,
            _P.ACCESS_CHECK,
            _P.IP_LISTS_SEE,
            _P.LOG_SEE,
            _P.TRAIL_SEE,
            _P.LOG_EXPORT,
            _P.LISTS_EXPORT,
            _P.USERS_SEE,
        }
    ),
    # Support's pages are Django admin, key docs and API reference; all others of the portal answer 403.
    Role.SUPPORT: frozenset(
        {
            _P.ADMINISTRATION,
            _P.DOCS_SEE,
            _P.KEYS_DISABLE,
            _P.IP_LISTS_IMPORT,
            _P.USERS_DEACTIVATE,
            _P.USERS_RECOVER,
            _P.ACCOUNTS_CHANGE,
            _P.APIS_CHANGE,
        }
    ),
}


def format_roles(roles: Iterable[str]) -> str:
    """Return the labels of the roles, "Administrator, Auditor"; "No role" for none."""
    return ", ".join(Role(role).label for role in roles) or "No role"


def get_permissions(roles: Iterable[str], *, member: bool) -> frozenset[Permission]:
    """Return the permissions of a signed-in user with these roles; `member` is whether they belong to an account.

    A role counts only where it belongs: Support outside accounts, the others inside one.
    """
    granted = [
        ROLE_PERMISSIONS[role] for role in roles if role in ROLE_PERMISSIONS and (role != Role.SUPPORT) == member
    ]
    return (MEMBER_PERMISSIONS if member else SIGNED_IN_PERMISSIONS).union(*granted)
