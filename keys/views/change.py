"""Changing a key's secret, and ending or extending the overlap that the old one has."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.forms.rotate import ChangeForm, ExtendForm
from keys.models import Key
from keys.selectors.old_secret import last_change, old_secret
from keys.services import AlreadyChanged, Invalid, NoOverlap, Overlap, change, end_overlap, extend_overlap, target_of
from keys.views.common import confirmed, found_to_change, gone_is_not_found
from keys.views.credential import shown

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_CHANGE)
@_methods
def key_change(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    rules = Policy.from_data(key.api.policy)
    current = key.secrets.filter(retires_at=None).values_list("pk", flat=True).first()
    form = ChangeForm(get_form_data(request), initial={"secret": current})
    form.set_action(request.user, "key.change", key.public_id, target_of(key))
    context = {"key": key, "form": form, "rules": rules, "old": old_secret(key)}
    # Before the confirmation is looked at: a second POST of a form that was used costs nobody a try.
    if form.is_valid() and form.cleaned_data["secret"] != current:
        return _already(request, key)
    by = confirmed(request, form) if form.is_valid() else None
    if by is None:
        return render_dialog(request, "keys/change", f"Change API key of {key.name}", context, get_form_status(request))
    try:
        with gone_is_not_found():
            changed = change(
                key=key,
                secret=form.cleaned_data["secret"],
                overlap=Overlap(form.cleaned_data["overlap"]),
                ends_on_use=form.cleaned_data["ends_on_use"],
                by=by,
            )
    except AlreadyChanged:
        return _already(request, key)
    context |= {"credential": shown(key, rules, changed.token), "until": changed.until}
    return render_dialog(request, "keys/changed", "API key changed", context)


@needs(Permission.KEYS_CHANGE)
@_methods
def overlap_end(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    if request.method != "POST":
        return render_dialog(
            request, "keys/end_overlap", f"End the old secret of {key.name}", {"key": key, "old": old_secret(key)}
        )
    try:
        with gone_is_not_found():
            end_overlap(key=key, by=request.actor)
        messages.success(request, f"The old secret of {key.name} no longer works.")
    except NoOverlap:
        messages.info(request, f"The old secret of {key.name} has already ended.")
    return redirect("key-detail", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def overlap_extend(request: SignedIn, public_id: str) -> HttpResponse:
    key = found_to_change(request, public_id)
    form = ExtendForm(get_form_data(request))
    form.set_action(request.user, "key.extend_overlap", key.public_id, target_of(key))
    context = {"key": key, "form": form, "old": old_secret(key)}
    by = confirmed(request, form) if form.is_valid() else None
    try:
        if by:
            overlap = Overlap(form.cleaned_data["overlap"])
            with gone_is_not_found():
                extend_overlap(key=key, overlap=overlap, by=by)
            messages.success(request, f"The old secret of {key.name} works for another {overlap.label}.")
            return redirect("key-detail", public_id)
    except NoOverlap:
        messages.info(request, f"The old secret of {key.name} has ended and cannot be restored.")
        return redirect("key-detail", public_id)
    except Invalid as problem:
        form.add_error("overlap", problem.message_dict["overlap"])
    return render_dialog(
        request, "keys/extend_overlap", f"Extend the overlap of {key.name}", context, get_form_status(request)
    )


def _already(request: SignedIn, key: Key) -> HttpResponse:
    return render_dialog(
        request, "keys/already_changed", "Already changed", {"key": key, "change": last_change(key)}, 409
    )
