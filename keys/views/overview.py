"""The overview page: keys by status, keys that expire soon, first steps, and the latest calls and events."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from accounts.models import Account, User
from audit.calls.selectors import list_calls
from audit.exports.columns import CALLS, EVENTS
from audit.trail.record_log_read import record_auditor_read
from audit.trail.selectors import list_events
from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.permissions import Permission
from core.phone_masking import Mask
from keys.models import Key
from keys.selectors.first_steps import get_first_steps
from keys.selectors.keys import STATUSES, with_status
from keys.visibility import get_enabled_apis, get_visible_keys

LATEST = 5


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def overview(request: SignedIn) -> HttpResponse:
    user = request.user
    if not has_permission(user, Permission.OVERVIEW_SEE):
        return redirect("key-list")
    keys = with_status(get_visible_keys(user))
    figures = _count_by_status(keys)
    expiring = keys.filter(status="expires_soon").order_by("expires_at", "pk")  # type: ignore[misc]
    context = {
        "account": user.account,
        "figures": figures,
        "expiring": expiring.select_related("api", "owner")[:LATEST],
        "next_step": _get_next_step(user),
        # With keys, at least one API is enabled.
        "first_steps": get_first_steps(user, has_apis=True if figures else None),
    }
    return render(request, "keys/overview.html", context | _get_latest(request))


def _count_by_status(keys: QuerySet[Key]) -> list[tuple[str, str, int]]:
    """Return slug, label and number of keys for each status; empty if there are no keys."""
    counts = dict(keys.order_by().values_list("status").annotate(Count("pk")))  # type: ignore[misc]
    return [(slug, label, counts.get(slug, 0)) for slug, label in STATUSES] if counts else []


def _get_next_step(user: User) -> tuple[str, str]:
    """Return what to do while there are no keys, and the URL if this user can do it."""
    if not has_permission(user, Permission.KEYS_CHANGE):
        return "Only Administrators of your account can add keys.", ""
    if user.account is None or user.account.status != Account.Status.ACTIVE:
        return "Keys can be created once the account is active.", ""
    if not get_enabled_apis(user).exists():
        return "No API is enabled for this account yet.", ""
    return "A key lets an application call an API, from the addresses and with the modules that you choose.", reverse(
        "key-new"
    )


def _get_latest(request: SignedIn) -> dict[str, Any]:
    """Return the latest calls and events for users who may see them. An Auditor's read is recorded, as on the log
    pages."""
    user, account = request.user, request.user.account
    assert account is not None  # @needs a member of one
    shown: dict[str, Any] = {}
    if has_permission(user, Permission.LOG_SEE):
        calls = list(list_calls(account.pk).order_by(F("time").desc(), F("request_id").desc())[:LATEST])
        if mask := Mask.from_account(account):
            for call in calls:
                call.path = mask.mask(call.path)
        shown |= {"may_see_log": True, "calls": calls}
    if has_permission(user, Permission.TRAIL_SEE):
        shown |= {"may_see_trail": True, "events": list_events(account.pk).order_by("-seq")[:LATEST]}
    for log in (CALLS.name, EVENTS.name):
        record_auditor_read(request, log, {"page": "overview"})
    return shown
