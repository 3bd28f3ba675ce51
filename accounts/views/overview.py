"""The overview: how the account's keys are, what wants attention, and what happened last."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.access import needs
from accounts.permissions import Permission, Role
from accounts.policy import has
from audit import selectors
from audit.phones import Mask
from audit.reading import note_reading
from keys.models import Key
from keys.policy import apis_of, visible_to

SOON = timedelta(days=14)
LATEST = 5


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    if not has(request.user, Permission.OVERVIEW_SEE):
        return redirect("key-list")
    keys, now = visible_to(request.user), timezone.now()
    context = {
        "account": request.user.account,
        "counts": _counts(keys, now),
        "expiring": keys.filter(_expires_soon(now))
        .select_related("api", "owner")
        .order_by("expires_at", "pk")[:LATEST],
        "first_api": apis_of(request.user).first(),
        "may_add": has(request.user, Permission.KEYS_CHANGE) and request.user.account.status == "active",
    }
    return render(request, "accounts/overview.html", context | _lately(request))


def _expires_soon(now: datetime) -> Q:
    return Q(enabled=True, expires_at__gt=now, expires_at__lte=now + SOON)


def _counts(keys: QuerySet[Key], now: datetime) -> dict[str, int]:
    """How many keys have each status of the list; every key counts once."""
    expired = Q(expires_at__lte=now)
    return keys.aggregate(
        total=Count("pk"),
        disabled=Count("pk", filter=Q(enabled=False)),
        expired=Count("pk", filter=Q(enabled=True) & expired),
        expires_soon=Count("pk", filter=_expires_soon(now)),
        active=Count("pk", filter=Q(enabled=True) & (Q(expires_at=None) | Q(expires_at__gt=now + SOON))),
    )


def _lately(request: HttpRequest) -> dict[str, Any]:
    """The latest calls and events, to those who may see them; an Auditor's reading is noted, as on their own pages."""
    user, account, shown = request.user, request.user.account, {}
    if has(user, Permission.LOG_SEE):
        calls = list(selectors.calls(account.pk).order_by(F("time").desc(), F("request_id").desc())[:LATEST])
        if mask := Mask.of(account):
            for call in calls:
                call.path = mask.hide(call.path)
        shown |= {"may_see_log": True, "calls": calls}
    if has(user, Permission.TRAIL_SEE):
        shown |= {"may_see_trail": True, "events": selectors.events(account.pk).order_by("-seq")[:LATEST]}
    if Role.AUDITOR in user.roles:
        for log in ("API log", "audit trail"):
            note_reading(by=request.actor, account_id=account.pk, log=log, filters={"page": "overview"})
    return shown
