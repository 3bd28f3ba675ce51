"""The page that finds a key, its calls and its events by a token, a log line, a file or a request ID.

Its results have a URL of their own, which names the keys that were found and nothing of the text, so that an action on
one of them leads back to them.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from core.back_links import encode_origin
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from keys.forms.find import MORE_TOKENS, FindForm
from keys.models import Key
from keys.selectors.find import API_ID, FindResult, find_named_keys
from keys.services import find as find_in_account
from keys.views.common import can_change_keys

PARAMETER = "keys"


@needs(Permission.KEYS_SEE, Permission.LOG_SEE, Permission.TRAIL_SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def find(request: SignedIn) -> HttpResponse:
    """Show the form and the results. Text and file are accepted by POST only, and no response repeats them."""
    account = own_account(request)
    form_data = (request.POST, request.FILES) if request.method == "POST" else ()
    form = FindForm(*form_data, account_id=account.pk)
    found, status = None, 200
    if form.is_valid():
        found = find_in_account(account=account, text=form.cleaned_data["text"], tokens=form.tokens, by=request.actor)
    elif form.is_bound:
        status = 422
    elif named := _get_named_keys(request):
        found = find_named_keys(Key.objects.filter(account=account), named)
    context: dict[str, Any] = {
        "form": FindForm(),
        "errors": form.errors,
        "may_change": can_change_keys(request),
        "found": found,
        "again": found is not None and not form.is_bound,
        "more_tokens": MORE_TOKENS,
    }
    if found is not None:
        query = _build_query(found)
        context |= {
            "address": f"{reverse('key-find')}?{query}" if query else reverse("key-find"),
            "back": encode_origin("find", query),
        }
    return render_page(request, "keys/find", context, status)


def _build_query(found: FindResult) -> str:
    """Return the query of the results' URL: the API IDs of the keys, with dots, which need no escape."""
    return f"{PARAMETER}={'.'.join(key.public_id for key in found.keys)}" if found.keys else ""


def _get_named_keys(request: HttpRequest) -> set[str]:
    return set(API_ID.findall(request.GET.get(PARAMETER, "")))
