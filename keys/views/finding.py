"""The page that finds a key, its calls and events by a token, a log line or a request ID."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from core.page_guard import SignedIn, needs
from core.pages import get_form_data, own_account, render_page
from core.permissions import Permission
from keys.selectors.find import FindForm
from keys.services import find as find_in_account
from keys.views.common import can_change_keys


@needs(Permission.KEYS_SEE, Permission.LOG_SEE, Permission.TRAIL_SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: SignedIn) -> HttpResponse:
    """Show the form and the results. The text is accepted by POST only, and no response repeats it."""
    form = FindForm(get_form_data(request))
    context: dict[str, Any] = {
        "form": FindForm(),
        "errors": form.errors.get("text", []),
        "may_change": can_change_keys(request),
    }
    if form.is_valid():
        found = find_in_account(account=own_account(request), text=form.cleaned_data["text"], by=request.actor)
        context |= {"found": found}
    return render_page(request, "keys/find", context, 422 if form.errors else 200)
