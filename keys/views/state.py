"""Enabling, disabling, deleting and reassigning a key: a dialog that says what it means, then the deed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.forms.confirm import ConfirmForm
from accounts.forms.users import HandOverForm
from core.back_links import format_row_id, get_return_url
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.selectors.detail import calls_lately
from keys.services import Invalid, delete, disable, enable, reassign, target_of
from keys.views.common import active_people, behind, confirmed, found_to_change, gone_is_not_found

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_CHANGE)
@_methods
def key_enable(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = ConfirmForm(get_form_data(request))
    form.set_action(request.user, "key.enable", key.public_id, target_of(key))
    by = confirmed(request, form) if form.is_valid() else None
    if by is None:
        return render_dialog(
            request, "keys/enable", f"Enable {key.name}", {"key": key, "form": form}, get_form_status(request)
        )
    with gone_is_not_found():
        enable(key=key, by=by)
    return _done(request, f"{key.name} is enabled.", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_disable(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return render_dialog(request, "keys/disable", f"Disable {key.name}", {"key": key, "calls": calls_lately(key)})
    with gone_is_not_found():
        disable(key=key, by=request.actor)
    return _done(request, f"{key.name} is disabled: calls with it are refused.", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_delete(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return render_dialog(request, "keys/delete", f"Delete {key.name}", {"key": key, "calls": calls_lately(key)})
    with gone_is_not_found():
        delete(key=key, by=request.actor)
    messages.success(request, f"{key.name} is deleted: calls with it are refused.")
    return redirect(get_return_url(request, reverse("key-list"), reverse("key-list"), format_row_id("key", public_id)))


@needs(Permission.KEYS_CHANGE)
@_methods
def key_reassign(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = HandOverForm(get_form_data(request), candidates=active_people(own_account(request)).exclude(pk=key.owner_id))
    form.set_action(request.user, "key.reassign", key.public_id, target_of(key))
    by = confirmed(request, form) if form.is_valid() else None
    try:
        if by:
            with gone_is_not_found():
                key = reassign(key=key, owner=form.new_owner, by=by)
            return _done(request, f"{key.name} belongs to {form.new_owner.nickname} now.", public_id)
    except Invalid as problem:
        form.add_service_errors(problem)
    rules = Policy.from_data(key.api.policy)
    context = {"key": key, "form": form, "rules": rules}
    return render_dialog(request, "keys/reassign", f"Reassign {key.name}", context, get_form_status(request))


def _done(request: SignedIn, said: str, public_id: str) -> HttpResponse:
    """Say so on the list that the action was opened from, or on the key's page."""
    messages.success(request, said)
    return redirect(behind(request, public_id))
