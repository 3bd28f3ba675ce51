"""The columns of the list of users."""

from __future__ import annotations

from accounts.filters import UserFilter
from core.columns import ListColumns, leave_out_positions, register_list
from core.permissions import Permission

COLUMNS = {
    "nickname": "Nickname",
    "email": "E-mail",
    "roles": "Roles",
    "status": "Status",
    "second_factor": "Second factor",
    "keys": "Keys",
    "signed_in": "Last sign-in",
    "created": "Created",
}
USERS = register_list(
    ListColumns(
        "users",
        "Users",
        "user-list",
        Permission.USERS_SEE,
        COLUMNS,
        default=tuple(COLUMNS),
        always=("nickname",),
        filters=leave_out_positions(UserFilter.base_filters),
    )
)
