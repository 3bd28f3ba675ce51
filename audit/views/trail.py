"""The audit trail's pages."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from accounts.access import needs
from accounts.permissions import Permission, Role
from audit import selectors
from audit.filters import EventFilter
from audit.reading import note_reading

LOG = "audit trail"


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_list(request: HttpRequest) -> HttpResponse:
    events = EventFilter(request.GET, selectors.events(request.user.account_id))
    template = "audit/_trail.html" if request.htmx else "audit/trail.html"
    if not events.is_valid():
        return render(request, template, {"filter": events}, status=400)
    _note(request, events.active)
    page = selectors.page_of_events(events.qs, events.matching)
    return render(request, template, {"filter": events, "page": page})


@needs(Permission.TRAIL_SEE)
@require_safe
@vary_on_headers("HX-Request")
def trail_detail(request: HttpRequest, seq: int) -> HttpResponse:
    event = selectors.event(request.user.account_id, seq)
    if event is None:
        raise Http404("no such event in this account")
    _note(request, {"event": str(seq)})
    return render(request, "audit/_event.html" if request.htmx else "audit/event.html", {"event": event})


def _note(request: HttpRequest, filters: dict[str, str]) -> None:
    if Role.AUDITOR in request.user.roles:
        note_reading(by=request.actor, account_id=request.user.account_id, log=LOG, filters=filters)
