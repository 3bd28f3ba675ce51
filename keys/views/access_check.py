"""The access check: what the gateway would decide about a call, check by check."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from accounts.models import Account
from audit.calls.selectors import get_call
from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from core.phone_masking import Mask
from core.redaction import contains_secret
from keys.forms.access_check import METHODS, AccessCheckForm
from keys.models import Key
from keys.selectors.logged_call import get_target
from keys.services import check_access
from keys.visibility import list_called_apis

MAX_KEYS_SUGGESTED = 200


@needs(Permission.ACCESS_CHECK, Permission.KEYS_SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def access_check(request: SignedIn) -> HttpResponse:
    """Show the form and the checks. `?key=` and `?call=`, the request ID of a logged call, fill it in; a call is
    checked at once. A token is accepted by POST only."""
    account = own_account(request)
    initial = _get_initial(request, account)
    is_call = "call" in request.GET and request.method != "POST"
    form = AccessCheckForm(
        request.POST if request.method == "POST" else initial if is_call and initial else None,
        initial=initial,
        keys=Key.objects.filter(account=account),
        apis=list_called_apis(account),
        may_paste=has_permission(request.user, Permission.KEYS_CHANGE),
    )
    context: dict[str, Any] = {"form": form, "methods": METHODS}
    if form.is_valid():
        context["checked"] = check_access(account=account, call=form.call, by=request.actor)
    suggested = Key.objects.filter(account=account, deleted_at=None).order_by("-pk")
    context["known_keys"] = suggested.values_list("public_id", "name")[:MAX_KEYS_SUGGESTED]
    return render_page(request, "keys/access_check", context, 422 if form.errors and not is_call else 200)


def _get_initial(request: SignedIn, account: Account) -> dict[str, Any]:
    """Return the fields for the key or the call that the URL names, as the pages show them."""
    if "call" not in request.GET:
        key = request.GET.get("key", "")
        return {} if contains_secret(key) else {"key": key}
    try:
        call = get_call(account.pk, UUID(request.GET["call"]))
    except ValueError:
        call = None
    if call is None:
        return {}
    return {
        "key": call.key_id,
        "method": call.method,
        "path": get_target(call, Mask.from_account(account)),
        "address": call.client_address or "",
        "api": call.api,
    }
