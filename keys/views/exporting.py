"""Export the list of keys."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from audit.exports.list_dialog import NOT_FILTERS, ListDialog, render_list_export
from core.page_guard import SignedIn, needs
from core.pages import own_account
from core.permissions import Permission
from keys.exports import TooManyRows, export_keys
from keys.views.selection import SELECTION_FIELDS, build_filter


@needs(Permission.LISTS_EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
def key_export(request: SignedIn) -> HttpResponse:
    """Export the keys that match the filters; of these only the selected ones, if rows are selected."""
    selected = [] if "all" in request.GET else request.GET.getlist("key")
    keys = build_filter(request, (*NOT_FILTERS, *SELECTION_FIELDS), selected)
    note = "Tokens are not included, only their prefix and API ID."
    dialog = ListDialog("keys.exported", "Export API keys", "API keys", reverse("key-list"), note)
    make = partial(export_keys, by=request.actor, account=own_account(request), keys=keys)
    return render_list_export(request, dialog, keys, make, (TooManyRows,))
