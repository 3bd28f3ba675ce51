"""Choose the columns of the list of keys. The choice is stored in a cookie of this browser."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from core.back_links import get_return_url
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission
from keys import list_columns

COOKIE_NAME = "key_columns"
COOKIE_MAX_AGE_SECONDS = 365 * 86400


class ColumnsForm(forms.Form):
    columns = forms.MultipleChoiceField(
        label="Columns",
        choices=[(name, label) for name, label in list_columns.COLUMNS.items() if name not in list_columns.ALWAYS],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Select at least one column."},
    )


def get_chosen_columns(request: SignedIn) -> list[str] | None:
    """Return the columns chosen in this browser, or None without a choice."""
    chosen = request.COOKIES.get(COOKIE_NAME)
    return chosen.split(".") if chosen else None


@needs(Permission.KEYS_SEE_OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def key_columns(request: SignedIn) -> HttpResponse:
    back = redirect(get_return_url(request, reverse("key-list"), reverse("key-list")))
    if request.method == "POST" and "reset" in request.POST:
        back.delete_cookie(COOKIE_NAME, samesite="Lax")
        return back
    form = ColumnsForm(
        get_form_data(request),
        initial={"columns": sorted(list_columns.get_shown_columns(get_chosen_columns(request), None))},
    )
    if not form.is_valid():
        return render_dialog(request, "keys/columns", "Columns", {"form": form}, get_form_status(request))
    back.set_cookie(
        COOKIE_NAME,
        ".".join(form.cleaned_data["columns"]),
        max_age=COOKIE_MAX_AGE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return back
