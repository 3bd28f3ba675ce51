"""Lists that each user arranges: their columns, page sizes and saved filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from core.authorization import has_permission
from core.filters.fields import flatten_choices
from core.lists import PAGE_SIZE, Heading, build_heading
from core.permissions import Permission

if TYPE_CHECKING:
    from django_filters import Filter

    from accounts.models import SavedFilter, User

PAGE_SIZES = (25, 50, 100, 200)
# More are scrolled, beside the actions.
MAX_COLUMNS_THAT_FIT = 9
# Parameters of a query that are not saved as filters.
NOT_SAVED = {"after", "before", "page", "start", "newest"}
_lists: dict[str, ListColumns] = {}


class ListChoice(NamedTuple):
    """What a user chose for a list: columns in order, none for the list's own, and rows a page."""

    columns: Sequence[str] = ()
    page_size: int = PAGE_SIZE


@dataclass(frozen=True, slots=True)
class ListColumns:
    """A list: its name in URLs and its title, the URL name of its page, the permission to see it, the labels of its
    columns by name in the list's own order, those that are shown without a choice, those that cannot be hidden, those
    that hold numbers or times of day, the filters that can be saved, and whether columns that are not shown are
    printed."""

    name: str
    title: str
    page: str
    permission: Permission
    labels: Mapping[str, str]
    default: tuple[str, ...]
    always: tuple[str, ...]
    filters: Mapping[str, Filter]
    numbers: Collection[str] = ()
    clocks: Collection[str] = ()
    is_printed_whole: bool = True

    def arrange(self, chosen: Iterable[str], default: Sequence[str] = (), always: Collection[str] = ()) -> list[str]:
        """Return the columns to show, in order: the known ones among `chosen`, or `default` (the list's own if empty)
        without a choice. Those of `always` (the list's own if empty) that were not chosen come at their own place."""
        shown = [name for name in chosen if name in self.labels] or list(default or self.default)
        places = {name: place for place, name in enumerate(self.labels)}
        for name in (name for name in self.labels if name in (always or self.always) and name not in shown):
            later = (place for place, other in enumerate(shown) if places[other] > places[name])
            shown.insert(next(later, len(shown)), name)
        return shown

    def build_headings(self, shown: Iterable[str], sorting: Mapping[str, Heading] | None = None) -> list[Heading]:
        """Return the headings of these columns; `sorting` has those that sort."""
        return [
            build_heading(
                self.labels[name],
                (sorting or {}).get(name),
                is_number=name in self.numbers,
                is_clock=name in self.clocks,
            )
            for name in shown
        ]


def leave_out_positions(filters: Mapping[str, Filter]) -> dict[str, Filter]:
    """Return the filters that can be saved: all but those that say which page of the list is shown."""
    return {name: each for name, each in filters.items() if name not in NOT_SAVED}


def describe_filters(columns: ListColumns, filters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return label and value of each filter in words: ("Decision", "Denied") for `decision=denied`."""
    described = []
    for name, value in filters.items():
        each = columns.filters[name]
        choices = flatten_choices(each.extra.get("choices", ()))
        described.append((each.label or name.replace("_", " ").capitalize(), choices.get(value, value)))
    return described


def register_list(columns: ListColumns) -> ListColumns:
    """Make the list one that users arrange, and return it."""
    _lists[columns.name] = columns
    return columns


def find_list(name: str) -> ListColumns | None:
    return _lists.get(name)


def list_saved_filters(user: User, columns: ListColumns) -> QuerySet[SavedFilter]:
    """Return the filters of the list that the user saved or that are shared in the account, by name."""
    assert user.account is not None
    saved = user.account.saved_filters.filter(Q(shared=True) | Q(user=user), list_name=columns.name)
    return saved.select_related("user").order_by(Lower("name"), "pk")


def build_list_context(
    user: User, columns: ListColumns, shown: Sequence[str], sorting: Mapping[str, Heading] | None = None
) -> dict[str, Any]:
    """Return the context of a list's template: its columns in order, those that are only printed, their headings, and
    the saved filters."""
    printed = [name for name in columns.labels if name not in shown] if columns.is_printed_whole else []
    return {
        "list": columns,
        "columns": shown,
        "headings": [
            *columns.build_headings(shown, sorting),
            *(heading._replace(is_hidden=True) for heading in columns.build_headings(printed)),
        ],
        "printed": printed,
        "is_wide": len(shown) > MAX_COLUMNS_THAT_FIT,
        "saved": list_saved_filters(user, columns),
        "may_delete_filters": has_permission(user, Permission.USERS_CHANGE),
    }


def get_list_choice(user: User, columns: ListColumns) -> ListChoice:
    """Return what the user chose for the list."""
    found = user.list_settings.filter(list_name=columns.name).values_list("columns", "page_size").first()
    return ListChoice(*found) if found else ListChoice()
