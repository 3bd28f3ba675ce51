"""Roles grant what their table says, no more and no less."""

from __future__ import annotations

import pytest

from core.permissions import ACCOUNT_ROLES, Permission, Role, get_permissions

P, R = Permission, Role
ALL_ROLES = {R.ADMINISTRATOR, R.ACCOUNT_READER, R.AUDITOR, R.SUPPORT}

# Permission, and who holds it; None stands for someone of the account without a role.
HOLDERS: dict[Permission, set[Role | None]] = {
    P.PROFILE: {*ALL_ROLES, None},
    P.OVERVIEW_SEE: {R.ADMINISTRATOR, R.ACCOUNT_READER, R.AUDITOR},
    P.KEYS_SEE: {R.ADMINISTRATOR, R.ACCOUNT_READER, R.AUDITOR},
    P.KEYS_SEE_OWN: {R.ADMINISTRATOR, R.ACCOUNT_READER, R.AUDITOR, None},
    P.ACCESS_CHECK: {R.ADMINISTRATOR, R.AUDITOR},
    P.DOCS_SEE: {*ALL_ROLES, None},
    P.KEYS_CHANGE: {R.ADMINISTRATOR},
    P.KEYS_DISABLE: {R.ADMINISTRATOR, R.SUPPORT},
    P.IP_LISTS_SEE: {R.ADMINISTRATOR, R.ACCOUNT_READER, R.AUDITOR},
    P.IP_LISTS_CHANGE: {R.ADMINISTRATOR},
    P.IP_LISTS_IMPORT: {R.ADMINISTRATOR, R.SUPPORT},
    P.LOG_SEE: {R.ADMINISTRATOR, R.ACCOUNT_READER, R.AUDITOR},
    P.TRAIL_SEE: {R.ADMINISTRATOR, R.AUDITOR},
    P.LOG_EXPORT: {R.ADMINISTRATOR, R.AUDITOR},
    P.LISTS_EXPORT: {R.ADMINISTRATOR, R.AUDITOR},
    P.ACCOUNTS_CHANGE: {R.SUPPORT},
    P.USERS_SEE: {R.ADMINISTRATOR, R.AUDITOR},
    P.USERS_CHANGE: {R.ADMINISTRATOR},
    P.USERS_DEACTIVATE: {R.ADMINISTRATOR, R.SUPPORT},
    P.USERS_RECOVER: {R.SUPPORT},
    P.ADMINISTRATION: {R.SUPPORT},
    P.APIS_CHANGE: {R.SUPPORT},
}


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", [*Role, None])
def test_a_role_grants_exactly_what_the_table_says(role: Role | None, permission: Permission) -> None:
    granted = get_permissions([role] if role else [], member=role != Role.SUPPORT)

    assert (permission in granted) == (role in HOLDERS[permission])


def test_several_roles_add_up() -> None:
    assert get_permissions([Role.ACCOUNT_READER, Role.AUDITOR], member=True) == get_permissions(
        [Role.AUDITOR], member=True
    )
    assert get_permissions(ACCOUNT_ROLES, member=True) == get_permissions([Role.ADMINISTRATOR], member=True)


def test_a_role_counts_only_where_it_belongs() -> None:
    assert get_permissions([Role.SUPPORT], member=True) == get_permissions([], member=True)
    assert get_permissions([Role.ADMINISTRATOR], member=False) == {Permission.PROFILE}


def test_an_unknown_role_grants_nothing() -> None:
    assert get_permissions(["owner of everything"], member=True) == get_permissions([], member=True)
