"""The page of all IP lists, the page of one list, and their exports."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from audit.exports.list_dialog import NOT_FILTERS, ListDialog, render_list_export
from core.authorization import has_permission
from core.columns import build_list_context, get_list_choice
from core.lists import merge_filters
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from keys.ip_lists.exports import export_entries, export_lists
from keys.ip_lists.filters import EntryFilter, IpListFilter
from keys.ip_lists.list_columns import IP_LISTS
from keys.ip_lists.selectors import with_counts
from keys.ip_lists.views.common import get_disabled_reason, get_ip_list_or_404
from keys.selectors.keys import with_status
from keys.visibility import get_visible_ip_lists, get_visible_keys

MAX_KEYS_LISTED = 100
_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.IP_LISTS_SEE)
@require_safe
def ip_list_list(request: SignedIn) -> HttpResponse:
    lists = IpListFilter(request.GET, with_counts(get_visible_ip_lists(request.user)))
    context = {"filter": lists, "disabled_reason": get_disabled_reason(request)} | _get_rights(request)
    if not lists.is_valid():
        return render_page(request, "keys/ip_lists/list", context, 400)
    choice = get_list_choice(request.user, IP_LISTS)
    lists.page_size = choice.page_size
    rows, more = lists.get_page()
    return render_page(
        request,
        "keys/ip_lists/list",
        context
        | {"rows": rows, "range": lists.get_page_range(len(rows), more)}
        | lists.get_page_links(more)
        | build_list_context(request.user, IP_LISTS, choice, sorting=lists.headings),
    )


@needs(Permission.IP_LISTS_SEE)
@require_safe
def ip_list_detail(request: SignedIn, pk: int) -> HttpResponse:
    ip_list = get_ip_list_or_404(request, pk)
    entries = EntryFilter(request.GET, ip_list.entries.all())
    context = {"ip_list": ip_list, "filter": entries, "disabled_reason": get_disabled_reason(request)} | _get_rights(
        request
    )
    if not entries.is_valid():
        return render_page(request, "keys/ip_lists/detail", context, 400)
    rows, more = entries.get_page()
    keys = with_status(get_visible_keys(request.user).filter(list_grants__ip_list=ip_list)).select_related(
        "api", "owner"
    )
    context |= {
        "rows": rows,
        "matching": entries.qs.count(),
        "range": entries.get_page_range(len(rows), more),
        "headings": entries.headings,
        "keys": keys.defer("api__document").order_by("name", "pk")[:MAX_KEYS_LISTED],
    }
    return render_page(request, "keys/ip_lists/detail", context | entries.get_page_links(more))


@needs(Permission.LISTS_EXPORT)
@_methods
def ip_list_export(request: SignedIn) -> HttpResponse:
    filters = merge_filters(request.GET, request.POST, but=NOT_FILTERS)
    lists = IpListFilter(filters, with_counts(get_visible_ip_lists(request.user)))
    dialog = ListDialog("ip_lists.exported", "Export IP lists", "IP lists", reverse("ip-list-list"))
    make = partial(export_lists, by=request.actor, account=own_account(request), lists=lists)
    return render_list_export(request, dialog, lists, make)


@needs(Permission.LISTS_EXPORT)
@_methods
def ip_entry_export(request: SignedIn, pk: int) -> HttpResponse:
    ip_list = get_ip_list_or_404(request, pk)
    entries = EntryFilter(merge_filters(request.GET, request.POST, but=NOT_FILTERS), ip_list.entries.all())
    back = reverse("ip-list-detail", args=[pk])
    dialog = ListDialog("ip_list.exported", f"Export {ip_list.name}", "entries of the IP list", back, ip_list=str(pk))
    return render_list_export(
        request, dialog, entries, partial(export_entries, by=request.actor, ip_list=ip_list, entries=entries)
    )


def _get_rights(request: SignedIn) -> dict[str, bool]:
    return {
        "may_change": has_permission(request.user, Permission.IP_LISTS_CHANGE),
        "may_export": has_permission(request.user, Permission.LISTS_EXPORT),
    }
