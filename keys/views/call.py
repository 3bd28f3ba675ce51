"""The page of one call of the API log, with links to what it names and, for a refused one, to what would cure it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit.calls.names import get_log_names
from audit.calls.selectors import get_call
from audit.calls.views import add_display_values
from audit.exports.columns import CALLS
from audit.trail.record_log_read import record_auditor_read
from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.decision.addresses import parse_network
from keys.forms.suggestion import NO_SUGGESTION, Suggestion
from keys.models import Key
from keys.selectors.logged_call import LoggedCall, describe_call, find_module
from keys.views.common import can_change_keys
from keys.views.key_actions import KEY_ACTIONS


class Cure(NamedTuple):
    """A form that would let the same call through. It opens in the panel, or as a dialog if `is_dialog`."""

    label: str
    url: str
    title: str
    is_dialog: bool = False


@needs(Permission.LOG_SEE)
@require_safe
def log_detail(request: SignedIn, request_id: UUID) -> HttpResponse:
    account = own_account(request)
    call = get_call(account.pk, request_id)
    if call is None:
        raise Http404("no such call in this account")
    record_auditor_read(request, CALLS.name, {"request_id": str(request_id)})
    logged = describe_call(account.pk, call)
    add_display_values(account, get_log_names(account.pk), [call])
    context = {
        "call": call,
        "logged": logged,
        "may_check": bool(call.key_id) and has_permission(request.user, Permission.ACCESS_CHECK),
        "may_see_users": has_permission(request.user, Permission.USERS_SEE),
        "may_see_trail": has_permission(request.user, Permission.TRAIL_SEE),
        "may_read_docs": logged.key is not None and has_permission(request.user, Permission.DOCS_SEE),
        "cures": list_cures(logged) if logged.reason and can_change_keys(request) else [],
    }
    return render_page(request, "keys/call", context)


def list_cures(logged: LoggedCall) -> list[Cure]:
    """Return the forms that would let the call through, prefilled; empty if the policy fixes what is missing."""
    key, call = logged.key, logged.call
    assert key is not None
    fixed = Policy.from_data(key.api.policy).immutable_settings
    match logged.reason:
        case "ip_not_allowed":
            network = parse_network(str(call.client_address))
            added = (
                []
                if "addresses" in fixed
                else [_build_edit_cure(logged, f"Allow {network[0]}", Suggestion((network,)))]
            )
            query = urlencode({"network": network[0], "call": call.request_id})
            return added + [
                Cure(
                    f"Add {network[0]} to {each.name}",
                    f"{reverse('ip-entry-new', args=[each.pk])}?{query}",
                    f"Add entry to {each.name}",
                )
                for each in logged.ip_lists
            ]
        case "module_not_granted" if "modules" not in fixed:
            module = find_module(key, call.module)
            return (
                [_build_edit_cure(logged, f"Grant {module.name}", Suggestion(modules=(module.slug,)))] if module else []
            )
        case "recordings_not_allowed" if "recordings" not in fixed:
            return [_build_edit_cure(logged, "Allow call recordings", Suggestion(recordings=True))]
        case "key_expired" if "expiry" not in fixed and logged.can_be_extended:
            return [_build_edit_cure(logged, "Extend expiry", Suggestion(extends=True))]
        case "key_disabled":
            return [_build_action_cure(logged, "key-enable")]
        case "owner_inactive":
            return [_build_action_cure(logged, "key-reassign")]
    return []


def _build_action_cure(logged: LoggedCall, action: str) -> Cure:
    assert logged.key is not None
    label = KEY_ACTIONS[action]
    return Cure(label, _build_url(logged.key, action, logged), f"{label} {logged.key.name}", is_dialog=True)


def _build_edit_cure(logged: LoggedCall, label: str, suggestion: Suggestion) -> Cure:
    assert logged.key is not None
    return Cure(label, _build_url(logged.key, "key-edit", logged, suggestion), f"Edit {logged.key.name}")


def _build_url(key: Key, name: str, logged: LoggedCall, suggestion: Suggestion = NO_SUGGESTION) -> str:
    """Return the URL of the key's form, which leads back to the call."""
    came_from = urlencode({"call": logged.call.request_id})
    return f"{reverse(name, args=[key.public_id])}?{'&'.join(filter(None, (suggestion.query, came_from)))}"
