"""Enable, disable, delete and reassign a key, each with a dialog that explains the effect."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.forms.confirm import ConfirmForm
from accounts.forms.users import HandOverForm
from core.back_links import PARAMETER, format_row_id, get_list_query, get_return_url
from core.page_guard import SignedIn, needs
from core.pages import add_message_with_action, get_form_data, get_form_status, own_account, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.models import Key
from keys.selectors.detail import count_recent_calls
from keys.selectors.replay import replay_state
from keys.services import Invalid, build_key_target, delete, disable, enable, reassign
from keys.views.common import (
    get_changeable_key_or_404,
    get_confirmed_actor,
    get_done_url,
    list_active_users,
    raise_404_if_deleted,
)
from keys.views.effects import ChangeEffect
from keys.views.key_actions import KEY_ACTIONS

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_CHANGE)
@_methods
def key_enable(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    form = ConfirmForm(get_form_data(request))
    form.set_action(request.user, "key.enable", key.public_id, build_key_target(key))
    by = get_confirmed_actor(request, form) if form.is_valid() else None
    if by is None:
        context = {"key": key, "form": form, "effect": _find_effect(request, key, enabled=True)}
        return render_dialog(request, "keys/enable", f"Enable {key.name}", context, get_form_status(request))
    with raise_404_if_deleted():
        enable(key=key, by=by)
    return _redirect_with_message(request, f"{key.name} is enabled.", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_disable(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    if request.method != "POST":
        context = {
            "key": key,
            "calls": count_recent_calls(key),
            "effect": _find_effect(request, key, enabled=False),
        }
        return render_dialog(request, "keys/disable", f"Disable {key.name}", context)
    with raise_404_if_deleted():
        disable(key=key, by=request.actor)
    text = f"{key.name} is disabled: calls with it are refused."
    # The key's own page has the button beside its name.
    if (query := get_list_query(request)) is None:
        return _redirect_with_message(request, text, public_id)
    url = f"{reverse('key-enable', args=[public_id])}?{urlencode({PARAMETER: query})}"
    label = KEY_ACTIONS["key-enable"]
    add_message_with_action(request, text, label, url, f"{label} {key.name}")
    return redirect(get_done_url(request, public_id))


@needs(Permission.KEYS_CHANGE)
@_methods
def key_delete(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    if request.method != "POST":
        return render_dialog(
            request, "keys/delete", f"Delete {key.name}", {"key": key, "calls": count_recent_calls(key)}
        )
    with raise_404_if_deleted():
        delete(key=key, by=request.actor)
    messages.success(request, f"{key.name} is deleted: calls with it are refused.")
    return redirect(get_return_url(request, reverse("key-list"), reverse("key-list"), format_row_id("key", public_id)))


@needs(Permission.KEYS_CHANGE)
@_methods
def key_reassign(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    form = HandOverForm(
        get_form_data(request), candidates=list_active_users(own_account(request)).exclude(pk=key.owner_id)
    )
    form.set_action(request.user, "key.reassign", key.public_id, build_key_target(key))
    by = get_confirmed_actor(request, form) if form.is_valid() else None
    try:
        if by:
            with raise_404_if_deleted():
                key = reassign(key=key, owner=form.new_owner, by=by)
            return _redirect_with_message(request, f"{key.name} belongs to {form.new_owner.nickname} now.", public_id)
    except Invalid as problem:
        form.add_service_errors(problem)
    rules = Policy.from_data(key.api.policy)
    # The new owner is active; only a key of an inactive one is decided differently.
    effect = None if key.owner.is_active else _find_effect(request, key, owner_active=True)
    context = {"key": key, "form": form, "rules": rules, "effect": effect}
    return render_dialog(request, "keys/reassign", f"Reassign {key.name}", context, get_form_status(request))


def _find_effect(request: SignedIn, key: Key, **state: bool) -> ChangeEffect:
    """Replay another state of the key or its owner; the dialog's own button is what confirms it."""
    return ChangeEffect(replay_state(Key.objects.filter(pk=key.pk), **state), "", request.POST)


def _redirect_with_message(request: SignedIn, message: str, public_id: str) -> HttpResponse:
    """Show the message on the page that the action was started from, or on the key's page."""
    messages.success(request, message)
    return redirect(get_done_url(request, public_id))
