"""The audit trail's pages."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import SignedIn, needs
from accounts.permissions import Permission
from accounts.policy import has
from audit import selectors
from audit.filters import EventPageFilter
from audit.standing import standing
from audit.tables import EVENTS
from audit.views.reader import note_reading, own_account


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    events = EventPageFilter(request.GET, selectors.trail(account.pk))
    template = "audit/_trail.html" if request.htmx else "audit/trail.html"
    if not events.is_valid():
        return render(request, template, {"filter": events}, status=400)
    note_reading(request, EVENTS.name, events.active)
    page = selectors.page_of_events(events.qs, events.matching)
    context = {"filter": events, "page": page, "may_export": has(request.user, Permission.LOG_EXPORT)}
    context["unended"] = selectors.unended(account.pk, page.rows)
    return render(request, template, context | {"standing": standing(), "more": events.more_is_on})


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_detail(request: SignedIn, seq: int) -> HttpResponse:
    account = own_account(request)
    event = selectors.trail(account.pk).filter(seq=seq).first()
    if event is None:
        raise Http404("no such event in this account")
    note_reading(request, EVENTS.name, {"event": str(seq)})
    context = {"event": event, "may_export": has(request.user, Permission.LOG_EXPORT)}
    context["unended"] = selectors.unended(account.pk, [event])
    return render(request, "audit/_event.html" if request.htmx else "audit/event.html", context)
