"""Enabling, disabling, deleting and reassigning a key: a dialog that says what it means, then the deed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.access import SignedIn, needs
from accounts.forms import ConfirmForm
from accounts.permissions import Permission
from accounts.returning import return_url, row_id
from accounts.user_forms import HandOverForm
from keys.about import calls_lately
from keys.apis.policy import Policy
from keys.services import Invalid, delete, disable, enable, reassign, target_of
from keys.views.pages import (
    account_of,
    active_people,
    behind,
    confirmed,
    dialog,
    found_to_change,
    gone_is_not_found,
    posted,
    status_of,
)

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_CHANGE)
@_methods
def key_enable(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = ConfirmForm(posted(request))
    form.ask(request.user, "key.enable", key.public_id, target_of(key))
    by = confirmed(request, form) if form.is_valid() else None
    if by is None:
        return dialog(request, "enable", f"Enable {key.name}", {"key": key, "form": form}, status_of(request))
    with gone_is_not_found():
        enable(key=key, by=by)
    return _done(request, f"{key.name} is enabled.", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_disable(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return dialog(request, "disable", f"Disable {key.name}", {"key": key, "calls": calls_lately(key)})
    with gone_is_not_found():
        disable(key=key, by=request.actor)
    return _done(request, f"{key.name} is disabled: calls with it are refused.", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_delete(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return dialog(request, "delete", f"Delete {key.name}", {"key": key, "calls": calls_lately(key)})
    with gone_is_not_found():
        delete(key=key, by=request.actor)
    messages.success(request, f"{key.name} is deleted: calls with it are refused.")
    return redirect(return_url(request, reverse("key-list"), reverse("key-list"), row_id("key", public_id)))


@needs(Permission.KEYS_CHANGE)
@_methods
def key_reassign(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = HandOverForm(posted(request), heirs=active_people(account_of(request)).exclude(pk=key.owner_id))
    form.ask(request.user, "key.reassign", key.public_id, target_of(key))
    by = confirmed(request, form) if form.is_valid() else None
    try:
        if by:
            with gone_is_not_found():
                key = reassign(key=key, owner=form.chosen, by=by)
            return _done(request, f"{key.name} belongs to {form.chosen.nickname} now.", public_id)
    except Invalid as problem:
        form.refuse(problem)
    rules = Policy.read(key.api.policy)
    context = {"key": key, "form": form, "rules": rules}
    return dialog(request, "reassign", f"Reassign {key.name}", context, status_of(request))


def _done(request: SignedIn, said: str, public_id: str) -> HttpResponse:
    """Say so on the list that the action was opened from, or on the key's page."""
    messages.success(request, said)
    return redirect(behind(request, public_id))
