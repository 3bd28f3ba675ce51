"""Edit a key's settings."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from audit.trail.sentences import format_value
from core.actor import ConfirmationRequired
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.forms.create_edit import EditForm
from keys.models import Key
from keys.selectors.detail import Edit, count_recent_calls, list_last_edits
from keys.services import EditConflict, Invalid, build_key_target, edit
from keys.views.common import (
    build_form_options,
    get_changeable_key_or_404,
    get_confirmed_actor,
    get_done_url,
    raise_404_if_deleted,
)
from keys.views.losses import resolve_losses

SAVED_MESSAGES = {None: "saved.", True: "saved and enabled.", False: "saved and disabled. Calls with it are refused."}
CONFIRMATION_NEEDED = "This change allows more than before, so confirm with your password."


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_edit(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_changeable_key_or_404(request, public_id)
    form = _build_form(request, get_form_data(request), key)
    context: dict[str, Any] = {"key": key}
    title = f"Edit {key.name}"
    if form.is_valid():
        form, losses, accepts = resolve_losses(request.POST, form, lambda data: _build_form(request, data, key))
        context |= {"losses": losses, "accepts": accepts}
        if losses:
            context |= {"form": form, "calls": count_recent_calls(key) if form.is_disabling else 0}
            return render_dialog(request, "keys/edit", title, context, 409)
    if form.is_valid():
        by = get_confirmed_actor(request, form) if form.has_confirmation else request.actor
        try:
            if by:
                with raise_404_if_deleted():
                    version, enabled = form.cleaned_data["version"], form.enabled_now
                    new_list = form.requested_list
                    edit(
                        key=key,
                        version=version,
                        key_settings=form.key_settings,
                        enabled=enabled,
                        new_list=new_list,
                        by=by,
                    )
                messages.success(request, f"{form.key_settings.name} {SAVED_MESSAGES[enabled]}")
                for warning in form.warnings:
                    messages.warning(request, warning)
                return redirect(get_done_url(request, public_id))
        except EditConflict as stale:
            return render_dialog(
                request, "keys/edit", f"Edit {stale.key.name}", _build_conflict_context(request, stale), 409
            )
        except ConfirmationRequired:
            form.add_error("password", CONFIRMATION_NEEDED)
        except Invalid as problem:
            form.add_service_errors(problem)
    ask = form.fields["password"].required = "password" in form.errors
    context |= {"form": form, "ask": ask, "calls": count_recent_calls(key) if form.is_disabling else 0}
    return render_dialog(request, "keys/edit", title, context, get_form_status(request))


def _build_form(request: SignedIn, data: QueryDict | None, key: Key) -> EditForm:
    form = EditForm(data, key=key, offer=build_form_options(request, key.api, Policy.from_data(key.api.policy)))
    form.set_action(request.user, "key.edit", key.public_id, build_key_target(key))
    return form


def _build_conflict_context(request: SignedIn, stale: EditConflict) -> dict[str, Any]:
    """Return the context of the conflict page: the form with everything typed, based on the version that the other user
    saved, and the changes of that user."""
    typed = request.POST.copy()
    typed["version"] = str(stale.key.version)
    form = _build_form(request, typed, stale.key)
    edits = list_last_edits(stale.key, max(stale.edits, 1))
    return {"key": stale.key, "form": form, "edits": edits, "rows": _list_changed_fields(edits, form.rules)}


def _list_changed_fields(edits: list[Edit], rules: Policy) -> list[tuple[str, str, str]]:
    """Return (label, before, now) for each field that the edits changed."""
    labels = {field.slug: field.label for field in rules.fields}
    rows: dict[str, tuple[str, str, str]] = {}
    for done in edits:
        for name, (old, new) in done.changes.items():
            before = rows[name][1] if name in rows else format_value(old)
            rows[name] = (labels.get(name) or rules.get_label(name), before, format_value(new))
    return list(rows.values())
