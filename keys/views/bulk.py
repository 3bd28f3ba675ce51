"""Do something to the selected keys: ask first, then say what was done and what could not be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.forms.confirm import ConfirmForm
from accounts.services import build_account_target
from core.actor import Actor, ConfirmationRequired
from core.authorization import check_active
from core.back_links import PARAMETER, SELECTION_ANCHOR, format_row_id, get_list_query, get_return_url
from core.page_guard import SignedIn, needs
from core.pages import (
    add_message_about_rows,
    add_message_with_action,
    get_form_data,
    get_form_status,
    own_account,
    render_dialog,
    render_page,
)
from core.permissions import Permission
from keys.forms.bulk import BulkForm
from keys.key_settings import Invalid
from keys.models import KeyListing
from keys.services import BulkResult, build_selection_target
from keys.views import bulk_actions
from keys.views.bulk_actions import BulkAction, count_keys
from keys.views.common import get_confirmed_actor
from keys.views.selection import Selection, get_selection

RECENT_PERIOD = timedelta(days=7)
MAX_KEYS_NAMED = 10
# The address of the undoing action names them all.
MAX_KEYS_UNDONE = 50
CONFIRMATION_NEEDED = "This change allows more than before, so confirm with your password."
_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_SEE, Permission.KEYS_DISABLE)
@_methods
def key_disable_some(request: SignedIn) -> HttpResponse:
    return _apply(request, bulk_actions.Disable())


@needs(Permission.KEYS_SEE, Permission.KEYS_CHANGE)
@_methods
def key_enable_some(request: SignedIn) -> HttpResponse:
    return _apply(request, bulk_actions.Enable())


@needs(Permission.KEYS_SEE, Permission.KEYS_CHANGE)
@_methods
def key_addresses_some(request: SignedIn) -> HttpResponse:
    return _apply(request, bulk_actions.ChangeAddresses())


@needs(Permission.KEYS_SEE, Permission.KEYS_CHANGE)
@_methods
def key_expiry_some(request: SignedIn) -> HttpResponse:
    return _apply(request, bulk_actions.SetExpiry())


@needs(Permission.KEYS_SEE, Permission.KEYS_CHANGE)
@_methods
def key_reassign_some(request: SignedIn) -> HttpResponse:
    return _apply(request, bulk_actions.Reassign())


@needs(Permission.KEYS_SEE, Permission.KEYS_CHANGE)
@_methods
def key_change_some(request: SignedIn) -> HttpResponse:
    return _apply(request, bulk_actions.ChangeSecrets())


def _apply(request: SignedIn, action: BulkAction) -> HttpResponse:
    """Ask about the selected keys, or with `all` about every key that matches the filters; POST changes them."""
    check_active(own_account(request))
    selection = get_selection(request, action.only, action.form.base_fields, action.limit)
    if not selection.filter.is_valid():
        return render_page(request, "keys/list", {"filter": selection.filter}, 400)
    done_url = _get_done_url(request, selection)
    context: dict[str, Any] = {"action": action, "selection": selection, "done_url": done_url}
    if not selection.rows or selection.is_too_large:
        status = 409 if request.method == "POST" else 200
        return render_dialog(request, "keys/bulk", action.title.format("keys"), context, status)
    form = _build_form(request, action, selection)
    effect = action.find_effect(selection, form, request.POST)
    context |= {"form": form, "effect": effect} | _find_use(action, selection)
    title = action.title.format(count_keys(len(selection.rows)))
    if "check" in request.POST:
        return _render_check(request, title, context)
    status = get_form_status(request)
    if form.is_valid():
        stamp = action.build_stamp(selection)
        if form.cleaned_data["selection"] != stamp:
            form.data, status = _replace_stamp(request.POST, stamp), 409
            context["changed"] = True
        elif effect is not None and effect.needs_answer:
            context["asks"], status = True, 409
        elif (result := _run(request, action, selection, form)) is not None:
            return _render_result(request, action, result, done_url)
    return render_dialog(request, "keys/bulk", title, context, status)


def _build_form(request: SignedIn, action: BulkAction, selection: Selection) -> BulkForm:
    form = action.build_form(request, selection, get_form_data(request))
    if isinstance(form, ConfirmForm):
        account = own_account(request)
        target = build_selection_target(selection.ids)
        form.set_action(request.user, action.confirmation, target, build_account_target(account))
    return form


def _replace_stamp(params: QueryDict, stamp: str) -> QueryDict:
    """Return what was typed, for the keys as they are now."""
    typed = params.copy()
    typed["selection"] = stamp
    return typed


def _find_use(action: BulkAction, selection: Selection) -> dict[str, Any]:
    """Return the names of the first keys, and, if calls may be refused, how many keys were used lately and the last."""
    context: dict[str, Any] = {
        "names": [row.name for row in selection.rows[:MAX_KEYS_NAMED]],
        "unnamed": max(len(selection.rows) - MAX_KEYS_NAMED, 0),
    }
    if action.interrupts:
        used = KeyListing.objects.filter(key__in=selection.ids, used_at__gt=timezone.now() - RECENT_PERIOD)
        context |= {"used": used.count(), "last": used.order_by("-used_at").first()}
    return context


def _render_check(request: SignedIn, title: str, context: dict[str, Any]) -> HttpResponse:
    """Show the effect without changing anything: alone for the form that follows what is typed, or within the form."""
    if request.POST["check"] == "live" and request.htmx:
        return render_page(request, "keys/bulk_effect", context)
    if context["effect"]:
        # Checked, not saved: what only a save needs is not missing.
        context["form"].errors.clear()
    return render_dialog(request, "keys/bulk", title, context, 422 if context["form"].errors else 200)


def _run(request: SignedIn, action: BulkAction, selection: Selection, form: BulkForm) -> BulkResult | None:
    """Run the action and return its result; None, with form errors, if it was refused as a whole."""
    by: Actor | None = request.actor
    if isinstance(form, ConfirmForm) and form.has_confirmation:
        by = get_confirmed_actor(request, form)
    if by is None:
        return None
    try:
        return action.run(own_account(request), selection, form, by)
    except ConfirmationRequired:
        form.add_error("password", CONFIRMATION_NEEDED)
    except Invalid as problem:
        form.add_service_errors(problem)
    return None


def _get_done_url(request: SignedIn, selection: Selection) -> str:
    """Return where to go afterwards: the list of keys, or the page of the IP list that the keys were added to."""
    if selection.ip_list is not None:
        return reverse("ip-list-detail", args=[selection.ip_list]) + "#used-by"
    listed = reverse("key-list")
    return get_return_url(request, listed, f"{listed}?{selection.filter.data.urlencode()}", SELECTION_ANCHOR)


def _render_result(request: SignedIn, action: BulkAction, result: BulkResult, done_url: str) -> HttpResponse:
    """Go back to the list with a message; if a key could not be changed, name it and the reason first."""
    number = len(result.changed)
    rows = [format_row_id("key", key.public_id) for key in result.changed]
    text = action.success.format(f"{count_keys(number)} {'is' if number == 1 else 'are'}")
    if result.unchanged:
        already = len(result.unchanged)
        text += f" {count_keys(already)} {'was' if already == 1 else 'were'} so already."
    if result.failed:
        title = f"{number} of {count_keys(number + len(result.unchanged) + len(result.failed))} changed"
        context = {"text": text if number else "", "failed": result.failed, "done_url": done_url}
        if number and request.htmx:
            # For the list beneath the dialog.
            add_message_about_rows(request, text, rows)
        return render_dialog(request, "keys/bulk_result", title, context)
    if action.undo and 0 < number <= MAX_KEYS_UNDONE:
        query = [*(("key", key.public_id) for key in result.changed), (PARAMETER, get_list_query(request) or "")]
        url = f"{reverse(action.undo.url)}?{urlencode(query)}"
        title = action.undo.title.format(count_keys(number))
        add_message_with_action(request, text, action.undo.button, url, title, rows)
    else:
        add_message_about_rows(request, text, rows)
    return redirect(done_url)
