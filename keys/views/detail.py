"""The page of one key."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from audit.calls import charts
from core.authorization import has_permission
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.decision.addresses import format_network, get_width_warning
from keys.selectors.detail import list_ip_lists, list_last_events, load_granted_modules
from keys.selectors.flags import NOT_IN_FORCE, format_field, format_flag
from keys.selectors.rotation import get_next_rotation
from keys.views.common import can_change_keys, get_key_alone_or_404

LABELLED = ("name", "addresses", "ip_lists", "expiry", "scheduled_rotation")


@needs(Permission.KEYS_SEE_OWN)
@require_safe
def key_detail(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_key_alone_or_404(request, public_id)
    rules = Policy.from_data(key.api.policy)
    context: dict[str, Any] = {
        "key": key,
        "account": own_account(request),
        "may_change": can_change_keys(request),
        "may_see_log": has_permission(request.user, Permission.LOG_SEE),
        "may_check": has_permission(request.user, Permission.ACCESS_CHECK),
        "may_see_lists": has_permission(request.user, Permission.IP_LISTS_SEE),
        "may_see_settings": has_permission(request.user, Permission.USERS_SEE),
        "rules": rules,
        "not_in_force": NOT_IN_FORCE,
        "modules": load_granted_modules(key),
        "own": [(field.label, format_field(key, field), field.kind) for field in rules.fields],
        "flags": [(rules.get_label(flag), format_flag(key, flag)) for flag in rules.flags],
        "labels": {setting: rules.get_label(setting) for setting in LABELLED},
        "rotation": get_next_rotation(key, timezone.now()),
        "entries": [(format_network(entry.network), get_width_warning(entry.network)) for entry in key.addresses.all()],
        "ip_lists": list_ip_lists(key),
    }
    if context["may_see_log"]:
        context["chart"] = charts.build_key_chart(key.account_id, key.public_id)
    if has_permission(request.user, Permission.TRAIL_SEE):
        context["events"] = list_last_events(key)
    return render_page(request, "keys/detail", context)
