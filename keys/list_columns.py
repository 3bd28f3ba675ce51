"""Define the columns of the list of keys, and which of them are shown by default."""

from __future__ import annotations

from collections.abc import Iterable

from keys.apis.policy import Policy

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
ALWAYS = ("name",)
# Ten columns with the actions: as many as fit beside the menu on a small screen.
_OF_ALL = ("created", "status", "owner", "api", "token", "modules", "addresses", "used")
_OF_ONE_API = ("created", "status", "owner", "token", "modules", "addresses", "age", "used")
# For APIs whose keys are named after their owners.
_OF_NICKNAMES = ("created", "status", "user_status", "api_id", "token", "modules")


def is_named_by_owner(tab: Policy | None) -> bool:
    """Return whether keys of the tab's API are named after their owners."""
    return tab is not None and tab.name_kind == "owner"


def get_shown_columns(chosen: Iterable[str] | None, tab: Policy | None) -> set[str]:
    """Return the columns to show on an API's tab, or on the tab of all APIs if `tab` is None.

    These are the known ones among `chosen`, and those that the tab always shows; without a choice, at most nine.
    """
    always = {*ALWAYS, *(_OF_NICKNAMES if is_named_by_owner(tab) else ())}
    if known := set(chosen or ()) & COLUMNS.keys():
        return known | always
    return always | {*((*_OF_NICKNAMES, "used") if is_named_by_owner(tab) else _OF_ONE_API if tab else _OF_ALL)}


def get_labels(tab: Policy | None) -> dict[str, str]:
    """Return the column headings on an API's tab, or on the tab of all APIs if `tab` is None."""
    if not is_named_by_owner(tab):
        return COLUMNS
    assert tab is not None
    return COLUMNS | {"name": tab.name_label, "token": "API Key"}
