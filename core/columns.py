"""Lists that each user arranges: their columns, page sizes and saved filters."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from core.authorization import has_permission
from core.filters.fields import flatten_choices
from core.lists import PAGE_SIZE, Heading, build_heading
from core.permissions import Permission

if TYPE_CHECKING:
    from django_filters import Filter

    from accounts.models import User

PAGE_SIZES = (25, 50, 100, 200)
# More are scrolled, beside the actions.
MAX_COLUMNS_THAT_FIT = 9
# Parameters of a query that are not saved as filters.
NOT_SAVED = {"after", "before", "page", "start", "newest"}
# Plain SQL, because composing two statements takes Django ten times as long as PostgreSQL takes to run this one.
CHOICE = """
    SELECT chosen.columns, chosen.page_size, saved.id, saved.name, saved.query, saved.shared, saved.user_id,
        owner.nickname
    FROM (SELECT) AS one
    LEFT JOIN accounts_listsettings chosen ON chosen.user_id = %(user)s AND chosen.list_name = %(list)s
    LEFT JOIN accounts_savedfilter saved ON saved.account_id = %(account)s AND saved.list_name = %(list)s
        AND (saved.shared OR saved.user_id = %(user)s)
    LEFT JOIN accounts_user owner ON owner.id = saved.user_id
    ORDER BY lower(saved.name), saved.id
"""
_lists: dict[str, ListColumns] = {}


class SavedFilterLink(NamedTuple):
    """A saved filter of a list: its primary key, its name, its query, whether it is shared, and who saved it."""

    pk: int
    name: str
    query: str
    shared: bool
    user_id: int
    nickname: str


class ListChoice(NamedTuple):
    """What a user chose for a list: columns in order, none for the list's own, and rows a page; and the filters of the
    list that the user saved or that are shared in the account, by name."""

    columns: Sequence[str] = ()
    page_size: int = PAGE_SIZE
    saved: Sequence[SavedFilterLink] = ()


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


def build_list_context(
    user: User,
    columns: ListColumns,
    choice: ListChoice,
    shown: Sequence[str] | None = None,
    sorting: Mapping[str, Heading] | None = None,
) -> dict[str, Any]:
    """Return the context of a list's template: its columns in order, the chosen ones unless `shown` is given, those
    that are only printed, their headings, and the saved filters."""
    shown = columns.arrange(choice.columns) if shown is None else shown
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
        "saved": choice.saved,
        "may_delete_filters": has_permission(user, Permission.USERS_CHANGE),
    }


def get_list_choice(user: User, columns: ListColumns) -> ListChoice:
    """Return what the user chose for the list, and its saved filters."""
    with connection.cursor() as cursor:
        cursor.execute(CHOICE, {"user": user.pk, "account": user.account_id, "list": columns.name})
        found = cursor.fetchall()
    chosen, page_size, *_ = found[0]
    saved = [SavedFilterLink(*row[2:]) for row in found if row[2] is not None]
    return ListChoice((), PAGE_SIZE, saved) if page_size is None else ListChoice(chosen, page_size, saved)
