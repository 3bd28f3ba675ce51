"""Add and edit entries of a list, and enable, disable or delete several at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from core.actor import Actor
from core.back_links import SELECTION_ANCHOR, format_row_id, get_return_url
from core.lists import merge_filters
from core.page_guard import SignedIn, needs
from core.pages import add_message_about_rows, get_form_data, get_form_status, render_dialog, render_page
from core.permissions import Permission
from keys.decision.addresses import Network, format_network
from keys.ip_lists import services as ip_lists_services
from keys.ip_lists.entries import MAX_ENTRIES, Entry
from keys.ip_lists.filters import EntryFilter
from keys.ip_lists.forms import EditEntryForm, EntryForm, OptionalConfirmForm
from keys.ip_lists.services import WIDEN
from keys.ip_lists.views.common import (
    get_ip_list_to_change_or_404,
    get_list_of_entry_or_404,
    get_selected_ids,
    needs_confirmation,
    run_service,
)
from keys.models import IpList, IpListEntry
from keys.selectors.replay import replay_ip_list
from keys.views.common import get_origin_call
from keys.views.effects import ChangeEffect, build_selection_token

if TYPE_CHECKING:
    from keys.ip_lists.selectors import UsedList

_methods = require_http_methods(["GET", "HEAD", "POST"])
MAX_ENTRIES_SHOWN = 20


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_entry_new(request: SignedIn, pk: int) -> HttpResponse:
    """Add an entry. `?network=` fills it in, and `?call=` leads back to the call that it is added for."""
    ip_list = get_list_of_entry_or_404(request, pk)
    title = f"Add entry to {ip_list.name}"
    if "mine" in request.POST:
        typed = {"network": request.client_address or "", "enabled": "enabled" in request.POST}
        form = EntryForm(initial=request.POST.dict() | typed, others=ip_list.entries.all())
        form.set_action(request.user, WIDEN, str(pk), ip_lists_services.get_list_target(ip_list))
        context = {"ip_list": ip_list, "form": form, "ask": needs_confirmation(form, ip_list.is_used)}
        return render_dialog(request, "keys/ip_lists/entry_new", title, context)
    form = EntryForm(
        get_form_data(request), initial={"network": request.GET.get("network", "")}, others=ip_list.entries.all()
    )
    form.set_action(request.user, WIDEN, str(pk), ip_lists_services.get_list_target(ip_list))
    if "check" in request.POST:
        effect = _find_effect(request, ip_list, form)
        context = {"ip_list": ip_list, "form": form, "ask": needs_confirmation(form, ip_list.is_used)}
        return _render_check(request, "keys/ip_lists/entry_new", title, context, effect)
    if form.is_valid() and run_service(
        request, form, lambda by: ip_lists_services.add_entries(ip_list=ip_list, entries=[form.entry], by=by)
    ):
        messages.success(request, f"{format_network(form.entry.network)} is added.")
        if request_id := get_origin_call(request):
            return redirect("log-detail", request_id)
        row = ip_list.entries.filter(network=form.entry.network).first()
        place = f"#{format_row_id('entry', row.pk)}" if row else ""
        return redirect(reverse("ip-list-detail", args=[pk]) + place)
    context = {"ip_list": ip_list, "form": form, "ask": needs_confirmation(form, ip_list.is_used)}
    return render_dialog(request, "keys/ip_lists/entry_new", title, context, get_form_status(request))


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_entry_edit(request: SignedIn, pk: int, entry: int) -> HttpResponse:
    ip_list = get_list_of_entry_or_404(request, pk)
    row = ip_list.entries.filter(pk=entry).first()
    if row is None:
        raise Http404("Entry not found.")
    form = _build_edit_form(request, get_form_data(request), row)
    title = f"Edit {format_network(row.network)}"
    context: dict[str, Any] = {"ip_list": ip_list, "entry": row, "form": form}
    keep: Sequence[Network] = ()
    effect = _find_effect(request, ip_list, form, row)
    if "check" in request.POST:
        return _render_check(request, "keys/ip_lists/entry_edit", title, context, effect)
    if form.is_valid():
        assert effect is not None
        context["effect"] = effect
        if effect.adds:
            keep = effect.networks
        elif effect.needs_answer:
            return render_dialog(request, "keys/ip_lists/entry_edit", title, context | {"asks": True}, 409)
    try:
        if form.is_valid() and run_service(
            request,
            form,
            lambda by: ip_lists_services.change_entry(
                entry=row, stamp=form.cleaned_data["stamp"], to=form.entry, keep=keep, by=by
            ),
        ):
            added = f", and {len(keep):,} address{'es are' if len(keep) > 1 else ' is'} added" if keep else ""
            messages.success(request, f"{format_network(form.entry.network)} saved{added}.")
            return redirect(_get_return_url(request, pk, [entry]))
    except ip_lists_services.EntryChanged as changed:
        typed, theirs = request.POST.copy(), Entry.from_row(changed.entry)
        typed["stamp"] = theirs.stamp
        entry_values = form.entry.as_dict()
        rows = [(name.capitalize(), entry_values[name], value) for name, value in theirs.as_dict().items()]
        context |= {"form": _build_edit_form(request, typed, changed.entry), "rows": rows}
        return render_dialog(request, "keys/ip_lists/entry_edit", title, context, 409)
    context["ask"] = needs_confirmation(form, "password" in form.errors)
    return render_dialog(request, "keys/ip_lists/entry_edit", title, context, get_form_status(request))


def _get_return_url(request: SignedIn, pk: int, changed: Sequence[int]) -> str:
    """Return the URL of the list's page with its filters and page, at the changed entry if there is only one."""
    page = reverse("ip-list-detail", args=[pk])
    return get_return_url(
        request, page, page, format_row_id("entry", changed[0]) if len(changed) == 1 else SELECTION_ANCHOR
    )


def _find_effect(
    request: SignedIn, ip_list: UsedList, form: EntryForm, row: IpListEntry | None = None
) -> ChangeEffect | None:
    """Replay the entry of the form, in place of `row`, over the calls of all keys that use the list; None if it is not
    valid, whatever is asked for besides."""
    if not form.is_bound or set(form.errors) - {"password", "acknowledge_wide"}:
        return None
    entries = ip_list.entries.filter(enabled=True)
    if row is not None:
        entries = entries.exclude(pk=row.pk)
    live = set(entries.values_list("network", flat=True))
    to = form.entry
    replay = replay_ip_list(ip_list, live | ({to.network} if to.enabled else set()))
    effect = ChangeEffect(replay, to.stamp, request.POST, MAX_ENTRIES - ip_list.entry_count)
    # An address that the changed entry itself stands for cannot be added beside it.
    return replace(effect, room=0) if to.network in effect.networks else effect


def _render_check(
    request: SignedIn, page: str, title: str, context: dict[str, Any], effect: ChangeEffect | None
) -> HttpResponse:
    """Show the effect without saving: within the form, or alone as the part of the form that follows what is typed."""
    context["effect"], form = effect, context["form"]
    if request.POST["check"] == "live" and request.htmx:
        return render_page(request, "keys/ip_lists/entry_effect", context)
    if effect:
        # Checked, not saved: what only a save needs is not missing.
        form.errors.clear()
    return render_dialog(request, page, title, context, 422 if form.errors else 200)


def _build_edit_form(request: SignedIn, data: QueryDict | None, row: IpListEntry) -> EditEntryForm:
    form = EditEntryForm(data, row=row)
    form.set_action(request.user, WIDEN, str(row.ip_list_id), ip_lists_services.get_list_target(row.ip_list))
    return form


# Parameters that select and confirm; they are not filters of the list.
NOT_FILTERS = ("csrfmiddlewaretoken", "entry", "every", "page", *OptionalConfirmForm.base_fields)


class BulkAction(NamedTuple):
    """An action on several entries."""

    word: str
    past: str
    service: Callable[..., int]


ENABLE = BulkAction("Enable", "enabled", ip_lists_services.enable_entries)
DISABLE = BulkAction("Disable", "disabled", ip_lists_services.disable_entries)
DELETE = BulkAction("Delete", "deleted", ip_lists_services.delete_entries)


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_entries_enable(request: SignedIn, pk: int) -> HttpResponse:
    return _run_bulk_action(request, pk, ENABLE)


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_entries_disable(request: SignedIn, pk: int) -> HttpResponse:
    return _run_bulk_action(request, pk, DISABLE)


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_entries_delete(request: SignedIn, pk: int) -> HttpResponse:
    return _run_bulk_action(request, pk, DELETE)


def _run_bulk_action(request: SignedIn, pk: int, action: BulkAction) -> HttpResponse:
    """Ask for confirmation, or run the action. The selection is in the URL: `?entry=1&entry=2`, or `?every=1` with
    filters."""
    ip_list = get_ip_list_to_change_or_404(request, pk)
    entries = _get_selected_entries(request, ip_list)
    form = OptionalConfirmForm(get_form_data(request))
    form.set_action(request.user, WIDEN, str(pk), ip_lists_services.get_list_target(ip_list))
    numbers = [row.pk for row in entries]

    def run(by: Actor) -> None:
        action.service(ip_list=ip_list, entries=numbers, by=by)

    effect = _find_bulk_effect(request, ip_list, entries, action)
    asks = request.method == "POST" and effect.is_severe and effect.needs_answer
    if numbers and not asks and form.is_valid() and run_service(request, form, run):
        subject = f"{format_network(entries[0].network)} is" if len(entries) == 1 else f"{len(entries):,} entries are"
        rows = [format_row_id("entry", number) for number in numbers]
        add_message_about_rows(request, f"{subject} {action.past}.", rows)
        return redirect(_get_return_url(request, pk, numbers))
    live = [row for row in entries if row.enabled]
    context = {
        "ip_list": ip_list,
        "form": form,
        "action": action,
        "chosen": entries[:MAX_ENTRIES_SHOWN],
        "count": len(entries),
        "more": len(entries) - MAX_ENTRIES_SHOWN,
        "ask": needs_confirmation(form, action is ENABLE and ip_list.key_count and len(live) < len(entries)),
        "last": action is not ENABLE and live and len(live) == ip_list.live_count,
        "effect": effect if effect.replay else None,
        "asks": asks,
    }
    title = f"{action.word} {format_network(entries[0].network) if len(entries) == 1 else 'entries'}"
    return render_dialog(request, "keys/ip_lists/entries", title, context, 409 if asks else get_form_status(request))


def _find_bulk_effect(
    request: SignedIn, ip_list: IpList, entries: Sequence[IpListEntry], action: BulkAction
) -> ChangeEffect:
    """Replay the action over the calls of all keys that use the list."""
    networks = {row.network for row in entries}
    live = set(ip_list.entries.filter(enabled=True).values_list("network", flat=True))
    return ChangeEffect(
        replay_ip_list(ip_list, live | networks if action is ENABLE else live - networks),
        build_selection_token(action.word, [row.pk for row in entries]),
        request.POST,
    )


def _get_selected_entries(request: SignedIn, ip_list: IpList) -> list[IpListEntry]:
    rows = ip_list.entries.order_by("network")
    if request.GET.get("every") != "1":
        return list(rows.filter(pk__in=get_selected_ids(request, "entry")))
    entries = EntryFilter(merge_filters(request.GET, request.POST, but=NOT_FILTERS), rows)
    if not entries.is_valid():
        problems = (error for errors in entries.form.errors.values() for error in errors)
        raise BadRequest(f"Nothing is selected because the filters cannot be applied. {' '.join(problems)}")
    return list(entries.qs)
