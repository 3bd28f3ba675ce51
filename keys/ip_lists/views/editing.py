"""Create, rename and delete IP lists."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models.functions import Lower
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from core.actor import Actor
from core.authorization import check_active
from core.back_links import PARAMETER, SELECTION_ANCHOR, format_row_id, get_list_query, get_return_url
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog
from core.permissions import Permission
from keys.forms.fields import set_choices
from keys.ip_lists import services as ip_lists_services
from keys.ip_lists.forms import AddKeysForm, EditIpListForm, NewIpListForm
from keys.ip_lists.selectors import get_last_edit
from keys.ip_lists.views.common import get_ip_list_to_change_or_404, get_selected_ids, run_service
from keys.models import IpList, Key
from keys.visibility import get_visible_ip_lists, get_visible_keys

MAX_KEYS_OFFERED = 500
_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_list_new(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    check_active(account)
    if "mine" in request.POST:
        typed = request.POST.dict()
        typed["addresses"] = f"{typed.get('addresses', '')}\n{request.client_address or ''}".strip()
        return render_dialog(
            request, "keys/ip_lists/new", "Add IP list", {"form": NewIpListForm(initial=typed, account=account)}
        )
    form = NewIpListForm(get_form_data(request), account=account)
    created: list[IpList] = []

    def create(by: Actor) -> None:
        cleaned = form.cleaned_data
        created.append(
            ip_lists_services.create_list(
                account=account,
                name=cleaned["name"],
                description=cleaned["description"],
                entries=cleaned["addresses"],
                by=by,
            )
        )

    if form.is_valid() and run_service(request, form, create):
        messages.success(request, f"IP list {created[0].name} created.")
        return redirect("ip-list-detail", created[0].pk)
    return render_dialog(request, "keys/ip_lists/new", "Add IP list", {"form": form}, get_form_status(request))


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_list_edit(request: SignedIn, pk: int) -> HttpResponse:
    ip_list = get_ip_list_to_change_or_404(request, pk)
    initial = {"name": ip_list.name, "description": ip_list.description, "version": ip_list.version}
    form = EditIpListForm(get_form_data(request), initial=initial, account=ip_list.account, ip_list=ip_list)
    title = f"Edit {ip_list.name}"
    context = {"ip_list": ip_list, "form": form}
    try:
        if form.is_valid() and run_service(
            request, form, lambda by: ip_lists_services.edit_list(ip_list=ip_list, by=by, **form.cleaned_data)
        ):
            messages.success(request, f"{form.cleaned_data['name']} saved.")
            page = reverse("ip-list-detail", args=[pk])
            return redirect(get_return_url(request, reverse("ip-list-list"), page, format_row_id("list", pk)))
    except ip_lists_services.ListChanged as changed:
        typed = request.POST.copy()
        typed["version"] = str(changed.ip_list.version)
        again = EditIpListForm(typed, account=ip_list.account, ip_list=ip_list)
        rows = [
            (again[name].label, typed.get(name, ""), getattr(changed.ip_list, name)) for name in ("name", "description")
        ]
        context |= {"form": again, "edit": get_last_edit(ip_list), "rows": rows}
        return render_dialog(request, "keys/ip_lists/edit", title, context, 409)
    return render_dialog(request, "keys/ip_lists/edit", title, context, get_form_status(request))


@needs(Permission.IP_LISTS_SEE, Permission.KEYS_CHANGE)
@require_safe
def ip_list_add_keys(request: SignedIn, pk: int) -> HttpResponse:
    """Choose keys that do not use the list yet; the form leads to that of their addresses, with the list filled in."""
    ip_list = get_ip_list_to_change_or_404(request, pk)
    keys = get_visible_keys(request.user).exclude(list_grants__ip_list=pk).order_by(Lower("name"), "pk")
    rows = list(keys.values_list("public_id", "name", "api__name")[: MAX_KEYS_OFFERED + 1])
    form = AddKeysForm()
    offered = [(public_id, f"{name} · {api} · {public_id}") for public_id, name, api in rows[:MAX_KEYS_OFFERED]]
    set_choices(form.fields["key"], offered)
    context = {"ip_list": ip_list, "form": form, "most": MAX_KEYS_OFFERED if len(rows) > MAX_KEYS_OFFERED else 0}
    return render_dialog(request, "keys/ip_lists/add_keys", f"Add keys to {ip_list.name}", context)


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_list_delete(request: SignedIn, pk: int) -> HttpResponse:
    return _delete_lists(request, [get_ip_list_to_change_or_404(request, pk)])


@needs(Permission.IP_LISTS_CHANGE)
@_methods
def ip_list_delete_some(request: SignedIn) -> HttpResponse:
    """Delete the lists selected by `?list=1&list=2`."""
    check_active(own_account(request))
    return _delete_lists(
        request,
        list(get_visible_ip_lists(request.user).filter(pk__in=get_selected_ids(request, "list")).order_by("name")),
    )


def _delete_lists(request: SignedIn, lists: list[IpList]) -> HttpResponse:
    """Ask for confirmation, or delete. If a list is in use none is deleted, and the dialog offers the others."""
    if request.method != "POST" or not lists:
        users = {ip_list: list(ip_lists_services.get_keys_using(ip_list).order_by("name", "pk")) for ip_list in lists}
        return _render_delete_dialog(request, lists, users, get_form_status(request))
    try:
        list_ids = [ip_list.pk for ip_list in lists]
        count = ip_lists_services.delete_lists(account=own_account(request), lists=list_ids, by=request.actor)
    except ip_lists_services.ListInUse as refused:
        # A key was restricted to one of them after the dialog was shown.
        return _render_delete_dialog(request, lists, refused.uses, 409)
    subject = f"{lists[0].name} is" if count == 1 else f"{count} IP lists are"
    messages.success(request, f"{subject} deleted.")
    place = format_row_id("list", lists[0].pk) if count == 1 else SELECTION_ANCHOR
    return redirect(get_return_url(request, reverse("ip-list-list"), reverse("ip-list-list"), place))


def _render_delete_dialog(
    request: SignedIn, lists: list[IpList], users: Mapping[IpList, list[Key]], status: int
) -> HttpResponse:
    query = get_list_query(request)
    behind = [] if query is None else [(PARAMETER, query)]
    free = [ip_list for ip_list in lists if not users.get(ip_list)]
    context = {
        "used": [(ip_list, keys) for ip_list, keys in users.items() if keys],
        "free": free,
        "query": urlencode([*(("list", str(ip_list.pk)) for ip_list in free), *behind]),
    }
    return render_dialog(
        request,
        "keys/ip_lists/delete",
        f"Delete {lists[0].name}" if len(lists) == 1 else "Delete IP lists",
        context,
        status,
    )
