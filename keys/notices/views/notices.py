"""The page of notices: Administrators choose which ones the account gets, Auditors see them."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from accounts.views.common import can_change_users, get_changeable_account
from core.authorization import Denied, has_permission
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_page
from core.permissions import Permission
from keys.notices.forms import SwitchesForm
from keys.notices.kinds import KINDS
from keys.notices.selectors import list_channels, list_endpoints, list_latest_notices
from keys.notices.services.switches import switch_notices
from keys.notices.words import build_sentence, build_title


@needs(Permission.USERS_SEE)
@require_http_methods(["GET", "HEAD", "POST"])
def notices(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    if request.method == "POST":
        if not has_permission(request.user, Permission.USERS_CHANGE):
            raise Denied(Permission.USERS_CHANGE)
        get_changeable_account(request)
    form = SwitchesForm(get_form_data(request))
    if form.is_valid():
        switch_notices(account=account, channels=form.channels, by=request.actor)
        messages.success(request, "Notices saved.")
        return redirect("notices")
    # What was sent is kept, whatever is wrong with it.
    channels = form.channels if form.is_bound else list_channels(account)
    context = {
        "form": form,
        "kinds": [(kind, details, channels[kind]) for kind, details in KINDS.items()],
        "endpoints": list_endpoints(account),
        "latest": [
            (build_title(notice.kind, 1), build_sentence(notice.kind, notice.data), notice)
            for notice in list_latest_notices(account)
        ],
        "may_change": can_change_users(request),
    }
    return render_page(request, "keys/notices/notices", context, get_form_status(request))
