"""Change a key's secret, and end or extend the overlap of the old one."""

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
from keys.selectors.old_secret import get_last_change, get_old_secret, read_key_secret_usage
from keys.selectors.replay import replay_retirement
from keys.services import (
    AlreadyChanged,
    Invalid,
    NoOverlap,
    Overlap,
    build_key_target,
    change,
    end_overlap,
    extend_overlap,
    get_latest_overlap_end,
)
from keys.views.common import get_changeable_key_or_404, get_confirmed_actor, raise_404_if_deleted
from keys.views.credential import build_credential
from keys.views.effects import ChangeEffect

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_CHANGE)
@_methods
def key_change(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    rules = Policy.from_data(key.api.policy)
    current = key.secrets.filter(retires_at=None).values_list("pk", flat=True).first()
    form = ChangeForm(get_form_data(request), initial={"secret": current})
    form.set_action(request.user, "key.change", key.public_id, build_key_target(key))
    context = {"key": key, "form": form, "rules": rules, "old": get_old_secret(key)}
    # Checked before the confirmation, so that a repeated POST does not count as a failed attempt.
    if form.is_valid() and form.cleaned_data["secret"] != current:
        return _render_already_changed(request, key)
    by = get_confirmed_actor(request, form) if form.is_valid() else None
    if by is None:
        return render_dialog(request, "keys/change", f"Change API key of {key.name}", context, get_form_status(request))
    try:
        with raise_404_if_deleted():
            changed = change(
                key=key,
                secret=form.cleaned_data["secret"],
                overlap=Overlap(form.cleaned_data["overlap"]),
                ends_on_use=form.cleaned_data["ends_on_use"],
                by=by,
            )
    except AlreadyChanged:
        return _render_already_changed(request, key)
    context |= {"credential": build_credential(key, rules, changed.token), "until": changed.until}
    return render_dialog(request, "keys/changed", "API key changed", context)


@needs(Permission.KEYS_CHANGE)
@_methods
def overlap_end(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    if request.method != "POST":
        usage = read_key_secret_usage(key)
        effect = ChangeEffect(replay_retirement(key, usage), "", request.POST) if usage else None
        context = {"key": key, "old": get_old_secret(key), "effect": effect}
        return render_dialog(request, "keys/end_overlap", f"End the old secret of {key.name}", context)
    try:
        with raise_404_if_deleted():
            end_overlap(key=key, by=request.actor)
        messages.success(request, f"The old secret of {key.name} no longer works.")
    except NoOverlap:
        messages.info(request, f"The old secret of {key.name} has already ended.")
    return redirect("key-detail", public_id)


@needs(Permission.KEYS_CHANGE)
@_methods
def overlap_extend(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    form = ExtendForm(get_form_data(request))
    form.set_action(request.user, "key.extend_overlap", key.public_id, build_key_target(key))
    context = {"key": key, "form": form, "old": get_old_secret(key), "latest": get_latest_overlap_end(key)}
    by = get_confirmed_actor(request, form) if form.is_valid() else None
    try:
        if by:
            overlap = Overlap(form.cleaned_data["overlap"])
            with raise_404_if_deleted():
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


def _render_already_changed(request: SignedIn, key: Key) -> HttpResponse:
    return render_dialog(
        request, "keys/already_changed", "Already changed", {"key": key, "change": get_last_change(key)}, 409
    )
