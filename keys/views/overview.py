"""The overview page: is anything wrong? Calls and refusals, keys that deserve a look, the trail's state, the latest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.models import Account, User
from audit import digests
from audit.calls.periods import Periods, get_periods
from audit.calls.reasons import REFUSED
from audit.calls.selectors import list_calls
from audit.exports.columns import CALLS, EVENTS
from audit.trail.record_log_read import record_auditor_read
from audit.trail.selectors import list_events
from audit.trail.verification_state import read_state
from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.permissions import Permission
from core.phone_masking import Mask
from keys.models import Key
from keys.selectors.first_steps import get_first_call_steps, get_first_steps
from keys.selectors.keys import with_status
from keys.selectors.overview import KeyFigure, count_keys, name_keys
from keys.views.attention import build_log_url, find_attention
from keys.visibility import get_enabled_apis, get_visible_keys

LATEST = 5


@dataclass(frozen=True, slots=True)
class CallFigure:
    """A number of calls, the same of the time before, and the page of the log that shows them."""

    label: str
    count: int
    comparison: str
    url: str


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def overview(request: SignedIn) -> HttpResponse:
    user = request.user
    if not has_permission(user, Permission.OVERVIEW_SEE):
        return redirect("key-list")
    keys = count_keys(get_visible_keys(user))
    by_status = keys.by_status
    context: dict[str, Any] = {
        "account": user.account,
        "figures": by_status,
        "to_review": keys.to_review,
        "expiring": _list_expiring(user) if any(map(_expires_soon, by_status)) else (),
        "next_step": None if by_status else _get_next_step(user),
        # With keys, at least one API is enabled.
        "first_steps": get_first_steps(user, has_apis=True if by_status else None),
    }
    context |= _get_calls(request) | _get_trail(request)
    if context.get("calls") == []:
        context["first_steps"] = get_first_call_steps(user)
    context["attention"] = list(find_attention(user, context, keys)) if by_status else None
    for log in (CALLS.name, EVENTS.name):
        record_auditor_read(request, log, {"page": "overview"})
    return render(request, "keys/overview.html", context)


def _expires_soon(figure: KeyFigure) -> bool:
    return figure.name == "expires_soon" and figure.count > 0


def _list_expiring(user: User) -> list[Key]:
    expiring = with_status(get_visible_keys(user)).filter(status="expires_soon")  # type: ignore[misc]
    return list(expiring.order_by("expires_at", "pk").select_related("api", "owner").defer("api__document")[:LATEST])


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


def _get_calls(request: SignedIn) -> dict[str, Any]:
    """Return sums of calls, refusals by reason and key, and the latest calls, for users who see the log."""
    user, account = request.user, request.user.account
    assert account is not None  # @needs a member of one
    if not has_permission(user, Permission.LOG_SEE):
        return {}
    calls = list(list_calls(account.pk).order_by(F("time").desc(), F("request_id").desc())[:LATEST])
    if mask := Mask.from_account(account):
        for call in calls:
            call.path = mask.mask(call.path)
    periods = get_periods(account.pk, timezone.now())
    month = periods.month
    return {
        "may_see_log": True,
        "calls": calls,
        "periods": periods,
        "call_figures": list(_build_call_figures(periods)),
        "reasons": [
            (REFUSED[reason][0] if reason in REFUSED else reason, count, build_log_url(month, reason=reason))
            for reason, count in month.reasons[:LATEST]
        ],
        "refused_keys": [
            (key, build_log_url(month, key_id=key.public_id) if key.public_id else "")
            for key in name_keys(account, month.keys[:LATEST])
        ],
    }


def _build_call_figures(periods: Periods) -> Iterator[CallFigure]:
    for words, period in (("24 hours", periods.day), ("30 days", periods.month)):
        total, before = period.allowed + period.denied, period.allowed_before + period.denied_before
        yield CallFigure(f"Calls in {words}", total, _compare(total, before, words), build_log_url(period, decision=""))
        comparison = _compare(period.denied, period.denied_before, words)
        yield CallFigure(f"Refused in {words}", period.denied, comparison, build_log_url(period))


def _compare(count: int, before: int, words: str) -> str:
    """Return how the number differs from that of the time before."""
    if not before:
        return f"none in the {words} before" if count else "none before either"
    change = round(100 * (count - before) / before)
    if not change:
        return f"as in the {words} before"
    return f"{abs(change):,}% {'more' if change > 0 else 'fewer'} than in the {words} before"


def _get_trail(request: SignedIn) -> dict[str, Any]:
    """Return the latest events, and the state of chain and digests, for users who see the trail."""
    account = request.user.account
    assert account is not None
    if not has_permission(request.user, Permission.TRAIL_SEE):
        return {}
    return {
        "may_see_trail": True,
        "events": list_events(account.pk).order_by("-seq")[:LATEST],
        "verification": read_state(),
        "digest": digests.list_digests(account).first(),
    }
