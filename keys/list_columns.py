"""Define the columns of the list of keys, and which of them are shown by default."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from core.columns import ListColumns, leave_out_positions, register_list
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.filters import KeyFilter

# In the list's order. The name, which links to the key, and the actions cannot be hidden.
COLUMNS = {
    "created": "Created",
    "status": "Status",
    "name": "Name",
    "owner": "Owner",
    "user_status": "User status",
    "api": "API",
    "api_id": "API ID",
    "token": "Token",
    "modules": "Modules",
    "addresses": "IP ACL",
    "age": "Secret age",
    "used": "Last used",
}
# Ten columns with the actions: as many as fit beside the menu on a small screen.
_OF_ALL = ("created", "status", "name", "owner", "api", "token", "modules", "addresses", "used")
_OF_ONE_API = ("created", "status", "name", "owner", "token", "modules", "addresses", "age", "used")
# For APIs whose keys are named after their owners.
_OF_NICKNAMES = ("created", "status", "user_status", "api_id", "token", "modules")
KEYS = register_list(
    ListColumns(
        "keys",
        "API keys",
        "key-list",
        Permission.KEYS_SEE_OWN,
        COLUMNS,
        default=_OF_ALL,
        always=("name",),
        filters=leave_out_positions(KeyFilter.base_filters),
    )
)


def is_named_by_owner(tab: Policy | None) -> bool:
    """Return whether keys of the tab's API are named after their owners."""
    return tab is not None and tab.name_kind == "owner"


def get_shown_columns(selected: Iterable[str], tab: Policy | None) -> list[str]:
    """Return the columns to show on an API's tab, or on the tab of all APIs if `tab` is None, in order.

    These are the known ones among `selected`, in their order, and those that the tab always shows; without a choice, at
    most nine in the list's own order.
    """
    if is_named_by_owner(tab):
        return KEYS.arrange(selected, (*_OF_NICKNAMES, "used"), {*KEYS.always, *_OF_NICKNAMES})
    return KEYS.arrange(selected, _OF_ONE_API if tab else _OF_ALL)


def get_list(tab: Policy | None) -> ListColumns:
    """Return the list with the labels that an API's tab has, or the tab of all APIs if `tab` is None."""
    if tab is None or not is_named_by_owner(tab):
        return KEYS
    labels = COLUMNS | {"name": tab.name_label, "token": "API Key"}
    return replace(KEYS, labels=labels)
