"""The pages of the audit trail."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from audit.exports.columns import EVENTS
from audit.paging import build_page_range
from audit.trail.filters import EventPageFilter
from audit.trail.list_columns import TRAIL
from audit.trail.record_log_read import record_auditor_read
from audit.trail.selectors import find_unended_exports, get_trail_page, list_trail_events
from audit.trail.verification_state import read_state
from core.authorization import has_permission
from core.columns import build_list_context, get_list_choice
from core.lists import count_rows
from core.page_guard import SignedIn, needs
from core.pages import own_account
from core.permissions import Permission

NOUNS = ("event", "events")


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    events = EventPageFilter(request.GET, list_trail_events(account.pk))
    template = "audit/trail/_list.html" if request.htmx else "audit/trail/list.html"
    if not events.is_valid():
        return render(request, template, {"filter": events}, status=400)
    record_auditor_read(request, EVENTS.name, events.active)
    choice = get_list_choice(request.user, TRAIL)
    page = get_trail_page(account.pk, events.qs, events.matching, events.installation, choice.page_size)
    # Events that match are found by a scan; all of them are counted by the trail's index.
    total = count_rows(events.qs) if page.after and not events.matching else None
    context = {
        "filter": events,
        "page": page,
        "range": build_page_range(events, page, NOUNS, total),
        "may_export": has_permission(request.user, Permission.LOG_EXPORT),
    } | build_list_context(request.user, TRAIL, choice)
    context["unended"] = find_unended_exports(account.pk, page.rows)
    return render(request, template, context | {"verification": read_state(), "more": events.has_active_more})


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_detail(request: SignedIn, number: int) -> HttpResponse:
    """Show an event of the account, by its number within the account."""
    return _detail(request, own_account(request).pk, number)


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_installation(request: SignedIn, number: int) -> HttpResponse:
    """Show an event of the installation that touches every account, by its number among the installation's events."""
    return _detail(request, None, number)


def _detail(request: SignedIn, owner: int | None, number: int) -> HttpResponse:
    account = own_account(request)
    event = list_trail_events(account.pk).filter(account_id=owner, number=number).first()
    if event is None:
        raise Http404("no such event in this account")
    record_auditor_read(request, EVENTS.name, {"event": f"{number}" if owner else f"installation {number}"})
    context = {"event": event, "may_export": has_permission(request.user, Permission.LOG_EXPORT)}
    context["unended"] = find_unended_exports(account.pk, [event])
    return render(request, "audit/trail/_detail.html" if request.htmx else "audit/trail/detail.html", context)
