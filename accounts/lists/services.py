"""Save how a user arranges a list, and filters under names.

How a list is arranged is not recorded in the trail: it changes what one person sees of it and nothing else
(docs/adr/0032). Saved filters are, because others follow them.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

from django.db import transaction

from accounts.models import Account, ListSettings, SavedFilter, User
from accounts.services.locks import Invalid, validate
from audit.trail.events import Target
from audit.trail.record import record
from core import authorization
from core.actor import Actor
from core.columns import PAGE_SIZES, ListColumns
from core.permissions import Permission
from core.redaction import contains_secret

MAX_FILTERS = 50  # of a user and list


@transaction.atomic
def arrange_list(*, user: User, columns: ListColumns, shown: Sequence[str], page_size: int, by: Actor) -> None:
    """Save the columns to show, in order, none for the list's own, and the rows a page. Raise Denied, Invalid."""
    authorization.require(by, columns.permission, account=user.account)
    if unknown := [name for name in shown if name not in columns.labels]:
        raise Invalid({"columns": f'There is no column "{unknown[0]}". There are: {", ".join(columns.labels)}.'})
    if page_size not in PAGE_SIZES:
        offered = ", ".join(map(str, PAGE_SIZES))
        raise Invalid({"page_size": f"{page_size} rows per page are not available. Choose one of {offered}."})
    values = {"columns": list(dict.fromkeys(shown)), "page_size": page_size}
    ListSettings.objects.update_or_create(user=user, list_name=columns.name, defaults=values)


@transaction.atomic
def reset_list(*, user: User, columns: ListColumns, by: Actor) -> None:
    """Show the list's own columns and page size again. Raise Denied."""
    authorization.require(by, columns.permission, account=user.account)
    ListSettings.objects.filter(user=user, list_name=columns.name).delete()


@transaction.atomic
def save_filter(
    *, account: Account, user: User, columns: ListColumns, name: str, query: str, shared: bool, by: Actor
) -> SavedFilter:
    """Save the filters of a list's query under a name. Raise Denied, Invalid."""
    authorization.require(by, columns.permission, account=account)
    # One at a time: the limit holds for parallel requests too.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    own_filters = SavedFilter.objects.filter(account=account, user=user, list_name=columns.name)
    if own_filters.count() >= MAX_FILTERS:
        raise Invalid({"name": f"You have {MAX_FILTERS} filters of this list, the maximum. Delete one first."})
    saved_query = keep_filters(columns, query)
    if not saved_query:
        raise Invalid({"name": "There are no filters to save. Filter the list first."})
    if contains_secret(f"{name} {urlencode(saved_query)}"):
        raise Invalid({"name": "The filter looks like it contains a secret, which is not saved."})
    row = SavedFilter(
        account=account,
        user=user,
        list_name=columns.name,
        name=name,
        query=urlencode(saved_query),
        shared=shared,
    )
    validate(row, line="name")
    row.save()
    record(
        "filter.saved",
        by=by,
        account_id=account.pk,
        target=build_filter_target(row),
        list=columns.title,
        filters=saved_query,
        shared=shared,
    )
    return row


@transaction.atomic
def delete_filter(*, saved: SavedFilter, columns: ListColumns, by: Actor) -> None:
    """Delete a saved filter: the actor's own, or as an Administrator one that is shared. Raise Denied."""
    row = SavedFilter.objects.select_for_update().get(pk=saved.pk)
    permission = columns.permission if (by.kind, by.id) == ("user", str(row.user_id)) else Permission.USERS_CHANGE
    authorization.require(by, permission, account=row.account)
    target = build_filter_target(row)
    row.delete()
    record("filter.deleted", by=by, account_id=row.account_id, target=target, list=columns.title)


def keep_filters(columns: ListColumns, query: str) -> dict[str, str]:
    """Return the query's filters, without empty ones and without what says which page is shown."""
    return {name: value for name, value in parse_qsl(query) if name in columns.filters}


def build_filter_target(row: SavedFilter) -> Target:
    return Target("filter", str(row.pk), row.name)
