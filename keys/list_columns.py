"""The columns of the list of keys: which there are, and which of them are shown."""

from __future__ import annotations

from collections.abc import Iterable

from keys.apis.policy import Policy

# In the list's order. The name is always shown: it leads to the key. So are the actions, which are no choice.
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
# With the actions, ten: as many as fit beside the menu on a small screen.
_OF_ALL = ("created", "status", "owner", "api", "token", "modules", "addresses", "used")
_OF_ONE_API = ("created", "status", "owner", "token", "modules", "addresses", "age", "used")
# Where keys are called by their owners' nicknames.
_OF_NICKNAMES = ("created", "status", "user_status", "api_id", "token", "modules")


def is_named_by_owner(tab: Policy | None) -> bool:
    """Return whether the tab's keys are called by their owners' nicknames."""
    return tab is not None and tab.name_kind == "owner"


def get_shown_columns(chosen: Iterable[str] | None, tab: Policy | None) -> set[str]:
    """Return the columns to show on the tab of an API, or of all: those chosen, if any are known, and those that the
    tab always has; without a choice, at most nine."""
    always = {*ALWAYS, *(_OF_NICKNAMES if is_named_by_owner(tab) else ())}
    if known := set(chosen or ()) & COLUMNS.keys():
        return known | always
    return always | {*((*_OF_NICKNAMES, "used") if is_named_by_owner(tab) else _OF_ONE_API if tab else _OF_ALL)}


def get_labels(tab: Policy | None) -> dict[str, str]:
    """Return what the columns are called on the tab of an API, or of all."""
    if not is_named_by_owner(tab):
        return COLUMNS
    assert tab is not None
    return COLUMNS | {"name": tab.name_label, "token": "API Key"}
