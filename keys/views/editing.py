"""Edit a key's settings."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from audit.trail.sentences import format_value
from core.actor import ConfirmationRequired
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, render_dialog, render_page
from core.permissions import Permission
from keys.apis.policy import Policy
from keys.decision.addresses import Network, format_network
from keys.forms.create_edit import EditForm
from keys.forms.suggestion import Suggestion
from keys.key_settings import MAX_ADDRESSES, KeySettings
from keys.models import Key
from keys.selectors.detail import Edit, count_recent_calls, list_last_edits
from keys.selectors.replay import replay_settings
from keys.services import EditConflict, Invalid, build_key_target, edit
from keys.views.common import (
    build_form_options,
    get_confirmed_actor,
    get_done_url,
    get_key_to_edit_or_404,
    raise_404_if_deleted,
)
from keys.views.effects import ChangeEffect

SAVED_MESSAGES = {None: "saved.", True: "saved and enabled.", False: "saved and disabled. Calls with it are refused."}
CONFIRMATION_NEEDED = "This change allows more than before, so confirm with your password."
CONFIRM_ROTATION = "This change concerns the rotation of the secret, so confirm with your password."


@needs(Permission.KEYS_CHANGE)
@require_http_methods(["GET", "HEAD", "POST"])
def key_edit(request: SignedIn, public_id: str) -> HttpResponse:
    key = get_key_to_edit_or_404(request, public_id)
    form = _build_form(request, get_form_data(request), key)
    context: dict[str, Any] = {"key": key}
    title = f"Edit {key.name}"
    effect = _find_effect(request.POST, form) if has_readable_settings(form) else None
    if "check" in request.POST:
        return _render_check(request, key, form, effect)
    if effect and effect.adds and form.is_valid():
        form = _build_form(request, _add_missing(request.POST, effect), key)
        effect = _find_effect(request.POST, form) if form.is_valid() else None
    if form.is_valid():
        assert effect is not None
        # Disabling is confirmed by a box of its own.
        context |= {"effect": effect, "asks": effect.needs_answer and not form.is_disabling}
        context["confirms"] = not form.is_disabling
        if context["asks"]:
            context |= {"form": form, "calls": count_recent_calls(key) if form.is_disabling else 0}
            return render_dialog(request, "keys/edit", title, context, 409)
        if saved := _save(request, key, form):
            return saved
    # What a suggestion adds allows more than before.
    needs_password = form.fields["password"].required = "password" in form.errors or bool(form.suggestion)
    context |= {"form": form, "ask": needs_password, "calls": count_recent_calls(key) if form.is_disabling else 0}
    if not form.is_bound:
        context["suggested"] = form.suggestion.describe(form.module_names)
    return render_dialog(request, "keys/edit", title, context, get_form_status(request))


def _save(request: SignedIn, key: Key, form: EditForm) -> HttpResponse | None:
    """Save a valid form. Return the redirect, the page of a conflict, or None if the form has errors now."""
    by = get_confirmed_actor(request, form) if form.has_confirmation else request.actor
    if by is None:
        return None
    version, enabled = form.cleaned_data["version"], form.enabled_now
    settings, new_list = form.key_settings, form.requested_list
    try:
        with raise_404_if_deleted():
            edit(key=key, version=version, key_settings=settings, enabled=enabled, new_list=new_list, by=by)
    except EditConflict as stale:
        context = _build_conflict_context(request, stale)
        return render_dialog(request, "keys/edit", f"Edit {stale.key.name}", context, 409)
    except ConfirmationRequired:
        form.add_error("password", CONFIRMATION_NEEDED if not form.changes_rotation else CONFIRM_ROTATION)
        return None
    except Invalid as problem:
        form.add_service_errors(problem)
        return None
    messages.success(request, f"{settings.name} {SAVED_MESSAGES[enabled]}")
    for warning in form.warnings:
        messages.warning(request, warning)
    return redirect(get_done_url(request, key.public_id))


def has_readable_settings(form: EditForm) -> bool:
    """Return whether the form was sent and its settings are valid, whatever it asks for besides."""
    return form.is_bound and not set(form.errors) - {"disable", "password"}


def _render_check(request: SignedIn, key: Key, form: EditForm, effect: ChangeEffect | None) -> HttpResponse:
    """Show the effect without saving: within the form, or alone as the part of the form that follows what is typed."""
    context = {"key": key, "form": form, "effect": effect, "confirms": not form.is_disabling}
    if request.POST["check"] == "live" and request.htmx:
        return render_page(request, "keys/key_effect", context)
    context["calls"] = count_recent_calls(key) if form.is_disabling else 0
    if effect:
        # Checked, not saved: what only a save needs is not missing.
        form.errors.clear()
    return render_dialog(request, "keys/edit", f"Edit {key.name}", context, 422 if form.errors else 200)


def _find_effect(params: QueryDict, form: EditForm) -> ChangeEffect:
    """Replay the form's settings over the key's calls."""
    assert form.key is not None
    networks = [entry.network for entry in form.requested_list.entries] if form.requested_list else []
    enabled = form.key.enabled if form.enabled_now is None else form.enabled_now
    replay = replay_settings(form.key, form.key_settings, enabled=enabled, new_networks=networks)
    room = MAX_ADDRESSES - len(form.key_settings.networks)
    later = " ".join(filter(None, (_describe_expiry(form), describe_rotation(form))))
    return ChangeEffect(replay, compute_settings_digest(form, networks), params, room, later)


def _describe_expiry(form: EditForm) -> str:
    """Return what a changed expiry does later; empty if it does nothing."""
    expires_at = form.key_settings.expires_at
    if expires_at is None or (form.before and form.before.expires_at == expires_at):
        return ""
    return f"The key expires on {expires_at:%Y-%m-%d %H:%M} UTC: every call is refused from then on."


def describe_rotation(form: EditForm) -> str:
    """Return when a changed schedule has the secret changed; empty if it does nothing."""
    schedule = form.key_settings.scheduled_rotation
    if form.key is None or schedule is None or not form.changes_rotation:
        return ""
    overlap = f"the old one then works for {schedule.overlap.label} more"
    due_at = form.key.secrets.get(retires_at=None).created_at + timedelta(days=schedule.days)
    if due_at <= timezone.now():
        return f"The secret is older than {schedule.days} days: it is changed within an hour, and {overlap}."
    return f"The secret is changed on {due_at:%Y-%m-%d} for the first time; {overlap}."


def compute_settings_digest(form: EditForm, new_networks: Collection[Network]) -> str:
    """Return a digest of the settings that can refuse calls now."""
    settings = form.key_settings
    modules = None if settings.modules is None else sorted(settings.modules)
    networks = [sorted(map(str, each)) for each in (settings.networks, new_networks)]
    narrowing = (networks, sorted(settings.ip_lists), modules, settings.recordings, form.enabled_now)
    return hashlib.sha256(repr((form.key and form.key.public_id, narrowing)).encode()).hexdigest()


def _add_missing(params: QueryDict, effect: ChangeEffect) -> QueryDict:
    """Return the data with the addresses and modules added that it would refuse."""
    typed = params.copy()
    if effect.networks:
        typed["addresses"] = "\n".join([typed.get("addresses", ""), *map(format_network, effect.networks)]).strip()
    if effect.modules:
        typed.setlist("modules", [*typed.getlist("modules"), *effect.modules])
    return typed


def _build_form(request: SignedIn, data: QueryDict | None, key: Key) -> EditForm:
    offer = build_form_options(request, key.api, Policy.from_data(key.api.policy))
    names = {module.slug: module.name for module in offer.modules}
    suggestion = Suggestion.from_query(dict(request.GET.lists()), KeySettings.from_key(key), names)
    form = EditForm(data, key=key, offer=offer, suggestion=suggestion)
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
    for event in edits:
        for name, (old, new) in event.changes.items():
            before = rows[name][1] if name in rows else format_value(old)
            rows[name] = (labels.get(name) or rules.get_label(name), before, format_value(new))
    return list(rows.values())
