"""The list of keys."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account
from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from keys import list_columns
from keys.apis.policy import Policy
from keys.filters import KeyFilter
from keys.models import Api
from keys.selectors.first_steps import first_steps
from keys.selectors.keys import owners_of
from keys.views.columns import get_chosen
from keys.views.common import may_change
from keys.visibility import apis_of, visible_to


class Add(NamedTuple):
    """The button that makes a key; with a reason, it is shown but does not work."""

    label: str
    url: str
    reason: str


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def key_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    apis = list(apis_of(request.user))
    everyones = has_permission(request.user, Permission.KEYS_SEE)
    keys = KeyFilter(request.GET, visible_to(request.user), account=account, apis=apis, everyones=everyones)
    tab = keys.tab
    tab_rules = Policy.from_data(tab.policy) if tab else None
    chosen = list_columns.shown(get_chosen(request), tab_rules)
    labels = list_columns.labels(tab_rules)
    context = {
        "filter": keys,
        "apis": apis,
        "tab": tab,
        "tab_rules": tab_rules,
        # A name that a template does not find costs as much as a cell.
        "shown": {name: name in chosen for name in list_columns.COLUMNS},
        "labels": labels,
        "owners": owners_of(account) if everyones else [],
        "account": account,
        "first_steps": first_steps(request.user, has_apis=bool(apis)),
        "add": _add(request, [tab] if tab else apis),
        "may_change": may_change(request),
        "may_see_log": has_permission(request.user, Permission.LOG_SEE),
    }
    if not keys.is_valid():
        return render_page(request, "keys/list", context, 400)
    rows = keys.rows()
    return render_page(
        request,
        "keys/list",
        context
        | {
            "rows": rows,
            "headings": {name: heading._replace(label=labels[name]) for name, heading in keys.headings.items()},
            "may_disable": has_permission(request.user, Permission.KEYS_DISABLE) and not _inactive(request),
            # None where they do not fit on one page: nothing counts them.
            "matching": None if any(keys.page_links.values()) else sum(row.enabled for row in rows),
            "may_export": has_permission(request.user, Permission.LISTS_EXPORT),
        }
        | keys.page_links,
    )


def _add(request: SignedIn, apis: list[Api]) -> Add | None:
    if not has_permission(request.user, Permission.KEYS_CHANGE):
        return None
    url = reverse("key-new")
    if len(apis) != 1:
        reason = "" if apis else "No API is enabled for this account yet."
        return Add("Add API key", url, _inactive(request) or reason)
    noun = Policy.from_data(apis[0].policy).noun
    return Add(f"Add {noun}", f"{url}?{urlencode({'api': apis[0].slug})}", _inactive(request))


def _inactive(request: SignedIn) -> str:
    status = own_account(request).status
    return "" if status == Account.Status.ACTIVE else f"The account is {status}: its keys cannot be created or changed."
