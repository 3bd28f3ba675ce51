"""The list of keys."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account
from core.authorization import has_permission
from core.columns import build_list_context, get_list_choice
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from keys import list_columns
from keys.apis.policy import Policy
from keys.filters import KeyFilter
from keys.models import Api
from keys.selectors.first_steps import get_first_steps
from keys.selectors.keys import list_owner_nicknames
from keys.views.common import can_change_keys
from keys.visibility import get_enabled_apis, get_visible_keys


class AddButton(NamedTuple):
    """The button that opens the create form; with a reason, it is disabled."""

    label: str
    url: str
    reason: str


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def key_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    apis = list(get_enabled_apis(request.user))
    everyones = has_permission(request.user, Permission.KEYS_SEE)
    keys = KeyFilter(request.GET, get_visible_keys(request.user), account=account, apis=apis, everyones=everyones)
    tab = keys.tab
    tab_rules = Policy.from_data(tab.policy) if tab else None
    choice = get_list_choice(request.user, list_columns.KEYS)
    keys.page_size = choice.page_size
    columns = list_columns.get_shown_columns(choice.columns, tab_rules)
    keys_list = list_columns.get_list(tab_rules)
    context = {
        "filter": keys,
        "apis": apis,
        "tab": tab,
        "tab_rules": tab_rules,
        "tabs": _build_tabs(keys, apis),
        "shows_user_status": "user_status" in columns,
        "labels": keys_list.labels,
        "owners": list_owner_nicknames(account) if everyones else [],
        "account": account,
        "first_steps": get_first_steps(request.user, has_apis=bool(apis)),
        "add": _build_add_button(request, [tab] if tab else apis),
        "may_change": can_change_keys(request),
        "may_see_log": has_permission(request.user, Permission.LOG_SEE),
    }
    if not keys.is_valid():
        return render_page(request, "keys/list", context, 400)
    rows = keys.get_rows()
    return render_page(
        request,
        "keys/list",
        context
        | {
            "rows": rows,
            "range": keys.get_page_range(),
            "may_disable": has_permission(request.user, Permission.KEYS_DISABLE) and not _get_inactive_reason(request),
            "may_export": has_permission(request.user, Permission.LISTS_EXPORT),
        }
        | keys.page_links
        | build_list_context(request.user, keys_list, choice, columns, keys.headings),
    )


def _build_tabs(keys: KeyFilter, apis: list[Api]) -> list[tuple[Api, str]]:
    """Return the APIs with their number of keys, or nothing if there are too many keys to count."""
    counts = keys.counts if len(apis) > 1 else None
    return [(api, "" if counts is None else f"{counts.get(api.pk, 0):,}") for api in apis]


def _build_add_button(request: SignedIn, apis: list[Api]) -> AddButton | None:
    if not has_permission(request.user, Permission.KEYS_CHANGE):
        return None
    url = reverse("key-new")
    if len(apis) != 1:
        reason = "" if apis else "No API is enabled for this account yet."
        return AddButton("Add API key", url, _get_inactive_reason(request) or reason)
    noun = Policy.from_data(apis[0].policy).noun
    return AddButton(f"Add {noun}", f"{url}?{urlencode({'api': apis[0].slug})}", _get_inactive_reason(request))


def _get_inactive_reason(request: SignedIn) -> str:
    status = own_account(request).status
    return "" if status == Account.Status.ACTIVE else f"The account is {status}: its keys cannot be created or changed."
