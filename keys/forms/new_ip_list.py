"""The part of a key's form that creates an IP list together with the key."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import Account
from keys.decision.addresses import get_width_warning
from keys.ip_lists.entries import NO_ENTRIES, NewList, clean_list
from keys.ip_lists.forms import ENTRIES_HELP, EntriesField
from keys.ip_lists.selectors import find_name_problem
from keys.key_settings import Invalid

# Placeholder for the new list among primary keys; no row has it.
NEW_LIST = 0


class NewListForm(forms.Form):
    new_list = forms.CharField(
        label="List name",
        required=False,
        help_text="The list is created when you save, and the key is restricted to it.",
    )
    new_list_entries = EntriesField(label="List entries", required=False, help_text=ENTRIES_HELP)

    def read_new_list(self, cleaned: dict[str, Any], account: Account) -> NewList | None:
        """Return the list to create, or None if nothing was entered. Add errors to the form's fields."""
        name, entries = cleaned.get("new_list", ""), cleaned.get("new_list_entries", ())
        if not name and not entries:
            return None
        try:
            clean_list(name, "")
        except Invalid as problem:
            self.add_error("new_list", problem.message_dict["name"])
        if taken := find_name_problem(account, name):
            self.add_error("new_list", taken)
        if not entries and "new_list_entries" not in self.errors:
            self.add_error("new_list_entries", NO_ENTRIES)
        return NewList(name, entries)


def get_width_warnings(new_list: NewList | None) -> list[str]:
    """Return a warning for each very wide network of the new list."""
    entries = new_list.entries if new_list else ()
    return [warning for entry in entries if (warning := get_width_warning(entry.network))]
