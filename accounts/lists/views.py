"""Pages to choose a list's columns, save its filters, and delete saved ones."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.lists import services
from accounts.lists.forms import ColumnsForm, SaveFilterForm
from accounts.models import SavedFilter
from accounts.services import Invalid
from core.authorization import Denied, has_permission
from core.back_links import get_list_query, get_return_url
from core.columns import ListColumns, describe_filters, find_list, get_list_choice
from core.page_guard import SignedIn, needs
from core.pages import get_form_data, get_form_status, own_account, render_dialog
from core.permissions import Permission

_methods = require_http_methods(["GET", "HEAD", "POST"])


@needs(Permission.KEYS_SEE_OWN)
@_methods
def list_columns(request: SignedIn, name: str) -> HttpResponse:
    columns = _get_list_or_404(request, name)
    back = redirect(_get_list_url(request, columns))
    choice = get_list_choice(request.user, columns)
    if request.method == "POST" and "reset" in request.POST:
        services.reset_list(user=request.user, columns=columns, by=request.actor)
        return back
    form = ColumnsForm(get_form_data(request), columns=columns, choice=choice, shown=columns.arrange(choice.columns))
    if form.is_valid():
        services.arrange_list(
            user=request.user,
            columns=columns,
            shown=form.get_shown(),
            page_size=form.cleaned_data["page_size"],
            by=request.actor,
        )
        return back
    context = {"form": form, "list": columns, "listed": reverse(columns.page)}
    title = f"Columns of {columns.title}"
    return render_dialog(request, "accounts/lists/columns", title, context, get_form_status(request))


@needs(Permission.KEYS_SEE_OWN)
@_methods
def filter_new(request: SignedIn, name: str) -> HttpResponse:
    columns = _get_list_or_404(request, name)
    query = get_list_query(request) or ""
    form = SaveFilterForm(get_form_data(request))
    if form.is_valid():
        try:
            services.save_filter(
                account=own_account(request),
                user=request.user,
                columns=columns,
                query=query,
                by=request.actor,
                **form.cleaned_data,
            )
        except Invalid as problem:
            form.add_error("name", [text for texts in problem.message_dict.values() for text in texts])
        else:
            messages.success(request, f'Filter "{form.cleaned_data["name"].strip()}" saved.')
            return redirect(_get_list_url(request, columns))
    context = {"form": form, "list": columns, "listed": reverse(columns.page)}
    context["filters"] = describe_filters(columns, services.keep_filters(columns, query))
    return render_dialog(request, "accounts/lists/filter_new", "Save filter", context, get_form_status(request))


@needs(Permission.KEYS_SEE_OWN)
@_methods
def filter_delete(request: SignedIn, name: str, pk: int) -> HttpResponse:
    columns = _get_list_or_404(request, name)
    listed = any(each.pk == pk for each in get_list_choice(request.user, columns).saved)
    saved = SavedFilter.objects.filter(pk=pk).first() if listed else None
    if saved is None:
        raise Http404("Filter not found.")
    if saved.user_id != request.user.pk and not has_permission(request.user, Permission.USERS_CHANGE):
        raise Denied(Permission.USERS_CHANGE)
    if request.method != "POST":
        context = {"saved": saved, "list": columns, "listed": reverse(columns.page)}
        return render_dialog(request, "accounts/lists/filter_delete", f"Delete filter {saved.name}", context)
    try:
        services.delete_filter(saved=saved, columns=columns, by=request.actor)
    except SavedFilter.DoesNotExist as gone:
        raise Http404("The filter has already been deleted.") from gone
    messages.success(request, f'Filter "{saved.name}" deleted.')
    return redirect(_get_list_url(request, columns))


def _get_list_or_404(request: SignedIn, name: str) -> ListColumns:
    """Return the list, if there is one of this name. Raise Denied for one that the user may not see."""
    columns = find_list(name)
    if columns is None:
        raise Http404("There is no list of this name.")
    if not has_permission(request.user, columns.permission):
        raise Denied(columns.permission)
    return columns


def _get_list_url(request: SignedIn, columns: ListColumns) -> str:
    return get_return_url(request, reverse(columns.page), reverse(columns.page))
