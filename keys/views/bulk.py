"""Actions on many keys: disable the selected or all matching keys, and export the list."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from audit.exports.list_dialog import NOT_FILTERS, ListDialog, render_list_export
from core.authorization import require_active
from core.back_links import PARAMETER, SELECTION_ANCHOR, get_return_url
from core.lists import merge_filters
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_dialog, render_page
from core.permissions import Permission
from keys.exports import TooManyRows, export_keys
from keys.filters import KeyFilter
from keys.models import Key, KeyListing
from keys.services import disable_many
from keys.services.bulk import MAX_KEYS
from keys.visibility import get_enabled_apis, get_visible_keys

RECENT_PERIOD = timedelta(days=7)
MAX_KEYS_NAMED = 10
# Parameters that select the keys to disable; they are not filters of the list.
SELECTION_FIELDS = ("csrfmiddlewaretoken", "key", "all", "count", "after", "before", PARAMETER)
_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_SEE, Permission.KEYS_DISABLE)
@_methods
def key_disable_some(request: SignedIn) -> HttpResponse:
    """Ask before disabling the selected keys, or with `all` every key that matches the filters; POST disables them."""
    account = own_account(request)
    require_active(account)
    params = request.POST or request.GET
    keys = _build_filter(request, SELECTION_FIELDS)
    if not keys.is_valid():
        return render_page(request, "keys/list", {"filter": keys}, 400)
    chosen = _get_selected_keys(request, keys, params)
    found = sorted(chosen.values_list("pk", "name")[: MAX_KEYS + 1], key=lambda key: (key[1].lower(), key[0]))
    # The user confirmed this number; if it has changed since, ask again.
    same = params.get("count") == str(len(found))
    if request.method == "POST" and found and same and len(found) <= MAX_KEYS:
        count = disable_many(account=account, keys=[pk for pk, _ in found], by=request.actor)
        words = f"{count} key{' is' if count == 1 else 's are'} disabled: calls with {'it' if count == 1 else 'them'}"
        messages.success(request, f"{words} are refused.")
        listed = reverse("key-list")
        return redirect(get_return_url(request, listed, f"{listed}?{keys.data.urlencode()}", SELECTION_ANCHOR))
    used = KeyListing.objects.filter(key__in=[pk for pk, _ in found], used_at__gt=timezone.now() - RECENT_PERIOD)
    return render_dialog(
        request,
        "keys/disable_some",
        "Disable keys",
        {
            "count": len(found),
            "most": MAX_KEYS,
            "names": [name for _, name in found[:MAX_KEYS_NAMED]],
            "unnamed": max(len(found) - MAX_KEYS_NAMED, 0),
            "used": used.count(),
            "last": used.order_by("-used_at").first(),
            "changed": request.method == "POST" and not same,
            "sent": [
                (name, value) for name in params for value in params.getlist(name) if name in ("key", "all", PARAMETER)
            ],
            "filter": keys,
        },
        409 if request.method == "POST" else 200,
    )


@needs(Permission.LISTS_EXPORT)
@_methods
def key_export(request: SignedIn) -> HttpResponse:
    keys = _build_filter(request, NOT_FILTERS)
    note = "Tokens are not included, only their prefix and API ID."
    dialog = ListDialog("keys.exported", "Export API keys", "API keys", reverse("key-list"), note)
    make = partial(export_keys, by=request.actor, account=own_account(request), keys=keys)
    return render_list_export(request, dialog, keys, make, (TooManyRows,))


def _build_filter(request: SignedIn, but: tuple[str, ...]) -> KeyFilter:
    """Return the list's filters from the request, without the parameters in `but`."""
    filters = merge_filters(request.GET, request.POST, but=but)
    return KeyFilter(
        filters, get_visible_keys(request.user), account=own_account(request), apis=list(get_enabled_apis(request.user))
    )


def _get_selected_keys(request: SignedIn, keys: KeyFilter, params: QueryDict) -> QuerySet[Key]:
    selected = params.getlist("key")[: MAX_KEYS + 1]
    chosen = keys.qs if params.get("all") == "1" else get_visible_keys(request.user).filter(public_id__in=selected)
    return chosen.filter(enabled=True)
