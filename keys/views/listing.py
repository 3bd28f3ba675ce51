"""The list of keys."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.access import SignedIn, needs
from accounts.lists import heading, page
from accounts.models import Account
from accounts.permissions import Permission
from accounts.policy import has
from keys.apis.policy import Policy
from keys.filters import COLUMNS, KeyFilter
from keys.models import Api
from keys.policy import apis_of, visible_to
from keys.selectors import for_page
from keys.views.pages import account_of, answer, may_change

HEADINGS = {"created": "Created", "name": "Name", "owner": "Owner", "age": "Secret age", "used": "Last used"}


class Add(NamedTuple):
    """The button that makes a key; with a reason, it is shown but does not work."""

    label: str
    url: str
    reason: str


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def key_list(request: SignedIn) -> HttpResponse:
    apis = list(apis_of(request.user))
    keys = KeyFilter(request.GET, for_page(visible_to(request.user)), apis=apis)
    context = {"filter": keys, "apis": apis, "account": account_of(request), "may_change": may_change(request)}
    if not keys.is_valid():
        return answer(request, "list", context, 400)
    rows, more = keys.rows()
    rules = {api.pk: Policy.read(api.policy) for api in {key.api for key in rows}}
    tab = keys.form.cleaned_data["api"]
    return answer(
        request,
        "list",
        context
        | {
            "rows": [(key, rules[key.api_id]) for key in rows],
            "tab": tab,
            "add": _add(request, [api for api in apis if not tab or api.slug == tab]),
            "headings": {
                name: heading(request.GET, name, label, sort_by=keys.sort_by, down_first=COLUMNS[name][1])
                for name, label in HEADINGS.items()
            },
            "previous": page(request.GET, keys.page_number - 1) if keys.page_number > 1 else "",
            "next": page(request.GET, keys.page_number + 1) if more else "",
        },
    )


def _add(request: SignedIn, apis: list[Api]) -> Add | None:
    if not has(request.user, Permission.KEYS_CHANGE):
        return None
    url = reverse("key-new")
    if len(apis) != 1:
        reason = "" if apis else "No API is enabled for this account yet. Support enables them."
        return Add("Add API key", url, _inactive(request) or reason)
    noun = Policy.read(apis[0].policy).noun
    return Add(f"Add {noun}", f"{url}?{urlencode({'api': apis[0].slug})}", _inactive(request))


def _inactive(request: SignedIn) -> str:
    status = account_of(request).status
    return "" if status == Account.Status.ACTIVE else f"The account is {status}: its keys cannot be created or changed."
