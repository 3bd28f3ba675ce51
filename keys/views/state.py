"""Enabling, disabling and deleting a key: a dialog that says what it means, then the deed."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from accounts.access import SignedIn, needs
from accounts.forms import ConfirmForm
from accounts.permissions import Permission
from keys.services import delete, disable, enable
from keys.views.pages import answer, confirmed, found_to_change, gone_is_not_found, posted

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_CHANGE)
@_methods
def key_enable(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = ConfirmForm(posted(request))
    form.ask(request.user, "key.enable", key.public_id)
    by = confirmed(request, form) if form.is_valid() else None
    if by is None:
        return answer(request, "enable", {"key": key, "form": form}, 422 if request.method == "POST" else 200)
    with gone_is_not_found():
        enable(key=key, by=by)
    messages.success(request, f"{key.name} is enabled.")
    return redirect("key-detail", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_disable(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return answer(request, "disable", {"key": key})
    with gone_is_not_found():
        disable(key=key, by=request.actor)
    messages.success(request, f"{key.name} is disabled: calls with it are refused.")
    return redirect("key-detail", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def key_delete(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return answer(request, "delete", {"key": key})
    with gone_is_not_found():
        delete(key=key, by=request.actor)
    messages.success(request, f"{key.name} is deleted: calls with it are refused.")
    return redirect("key-list")
