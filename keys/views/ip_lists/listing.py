"""The IP lists of the account, a list's own page, and both as files."""

from __future__ import annotations

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.views.decorators.http import require_POST, require_safe

from accounts.access import SignedIn, needs
from accounts.permissions import Permission
from accounts.policy import has
from accounts.tables import FORMATS
from keys.ip_lists.exports import export_entries, export_lists
from keys.ip_lists.filters import EntryFilter, IpListFilter
from keys.ip_lists.selectors import counted
from keys.policy import ip_lists_of, visible_to
from keys.selectors import with_status
from keys.views.ip_lists.pages import barred, file_answer, found
from keys.views.pages import account_of, answer

MOST_KEYS = 100


@needs(Permission.IP_LISTS_SEE)
@require_safe
def ip_list_list(request: SignedIn) -> HttpResponse:
    lists = IpListFilter(request.GET, counted(ip_lists_of(request.user)))
    context = {"filter": lists, "barred": barred(request)} | _rights(request)
    if not lists.is_valid():
        return answer(request, "ip_lists", context, 400)
    rows, more = lists.rows()
    return answer(request, "ip_lists", context | {"rows": rows, "headings": lists.headings} | lists.neighbours(more))


@needs(Permission.IP_LISTS_SEE)
@require_safe
def ip_list_detail(request: SignedIn, pk: int) -> HttpResponse:
    ip_list = found(request, pk)
    entries = EntryFilter(request.GET, ip_list.entries.all())
    context = {"ip_list": ip_list, "filter": entries, "barred": barred(request)} | _rights(request)
    if not entries.is_valid():
        return answer(request, "ip_list", context, 400)
    rows, more = entries.rows()
    keys = with_status(visible_to(request.user).filter(list_grants__ip_list=ip_list)).select_related("api", "owner")
    context |= {
        "rows": rows,
        "matching": entries.qs.count(),
        "headings": entries.headings,
        "keys": keys.defer("api__document").order_by("name", "pk")[:MOST_KEYS],
    }
    return answer(request, "ip_list", context | entries.neighbours(more))


@needs(Permission.LISTS_EXPORT)
@require_POST
def ip_list_export(request: SignedIn) -> HttpResponse:
    """The page's filters apply; they are in the address, as on the page itself."""
    lists = IpListFilter(request.GET, counted(ip_lists_of(request.user)))
    if not lists.is_valid():
        return answer(request, "ip_lists", {"filter": lists}, 400)
    account = account_of(request)
    return file_answer(*export_lists(by=request.actor, account=account, lists=lists, format=_format(request)))


@needs(Permission.LISTS_EXPORT)
@require_POST
def ip_entry_export(request: SignedIn, pk: int) -> HttpResponse:
    ip_list = found(request, pk)
    entries = EntryFilter(request.GET, ip_list.entries.all())
    if not entries.is_valid():
        return answer(request, "ip_list", {"ip_list": ip_list, "filter": entries}, 400)
    return file_answer(*export_entries(by=request.actor, ip_list=ip_list, entries=entries, format=_format(request)))


def _format(request: SignedIn) -> str:
    format = request.POST.get("format", "")
    if format not in FORMATS:
        raise BadRequest(f"The format {format[:20]!r} is not known. Take one of {', '.join(FORMATS)}.")
    return format


def _rights(request: SignedIn) -> dict[str, bool]:
    return {
        "may_change": has(request.user, Permission.IP_LISTS_CHANGE),
        "may_export": has(request.user, Permission.LISTS_EXPORT),
    }
