"""The columns of the list of IP lists."""

from __future__ import annotations

from core.columns import ListColumns, leave_out_positions, register_list
from core.permissions import Permission
from keys.ip_lists.filters import IpListFilter

COLUMNS = {"name": "Name", "entries": "Entries", "used_by": "Used by", "created": "Created"}
IP_LISTS = register_list(
    ListColumns(
        "ip-lists",
        "IP lists",
        "ip-list-list",
        Permission.IP_LISTS_SEE,
        COLUMNS,
        default=tuple(COLUMNS),
        always=("name",),
        filters=leave_out_positions(IpListFilter.base_filters),
    )
)
