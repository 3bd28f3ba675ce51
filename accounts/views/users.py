"""The list of the account's users, and its export."""

from __future__ import annotations

from functools import partial

from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.exports import export_users
from accounts.filters import UserFilter
from accounts.list_columns import USERS
from accounts.selectors import list_users
from accounts.views.common import can_change_users
from audit.exports.list_dialog import NOT_FILTERS, ListDialog, render_list_export
from core.authorization import has_permission
from core.columns import build_list_context, get_list_choice
from core.lists import merge_filters
from core.page_guard import SignedIn, needs
from core.pages import own_account, render_page
from core.permissions import Permission


@needs(Permission.USERS_SEE)
@require_safe
def user_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    users = UserFilter(request.GET, list_users(account))
    context = {"filter": users, "may_change": can_change_users(request)}
    if not users.is_valid():
        return render_page(request, "accounts/users", context, 400)
    choice = get_list_choice(request.user, USERS)
    users.page_size = choice.page_size
    rows, more = users.get_page()
    return render_page(
        request,
        "accounts/users",
        context
        | {
            "rows": rows,
            "range": users.get_page_range(len(rows), more),
            "may_export": has_permission(request.user, Permission.LISTS_EXPORT),
            "invitations": account.invitations.order_by("-created_at", "-pk"),
            "now": timezone.now(),
        }
        | users.get_page_links(more)
        | build_list_context(request.user, USERS, choice, sorting=users.headings),
    )


@needs(Permission.LISTS_EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
def user_export(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    users = UserFilter(merge_filters(request.GET, request.POST, but=NOT_FILTERS), list_users(account))
    dialog = ListDialog("users.exported", "Export users", "users", reverse("user-list"))
    return render_list_export(
        request, dialog, users, partial(export_users, by=request.actor, account=account, users=users)
    )
