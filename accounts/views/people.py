"""The users of the account: the list, its file, and a page for each."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.access import SignedIn, needs
from accounts.exports import export_users
from accounts.filters import UserFilter
from accounts.list_export import NOT_FILTERS, ListDialog, answer_export
from accounts.lists import sent_filters
from accounts.permissions import Permission
from accounts.policy import has
from accounts.selectors import people_of, session_count
from accounts.views.pages import answer, found, may_change, own_account
from keys.policy import visible_to
from keys.selectors import with_status

MOST_KEYS = 100


@needs(Permission.USERS_SEE)
@require_safe
def user_list(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    users = UserFilter(request.GET, people_of(account))
    context = {"filter": users, "may_change": may_change(request)}
    if not users.is_valid():
        return answer(request, "users", context, 400)
    rows, more = users.rows()
    return answer(
        request,
        "users",
        context
        | {
            "rows": rows,
            "may_export": has(request.user, Permission.LISTS_EXPORT),
            "invitations": account.invitations.order_by("-created_at", "-pk"),
            "now": timezone.now(),
            "headings": users.headings,
        }
        | users.neighbours(more),
    )


@needs(Permission.LISTS_EXPORT)
@require_http_methods(["GET", "HEAD", "POST"])
def user_export(request: SignedIn) -> HttpResponse:
    account = own_account(request)
    users = UserFilter(sent_filters(request.GET, request.POST, but=NOT_FILTERS), people_of(account))
    dialog = ListDialog("users.exported", "Export users", "users", reverse("user-list"))
    return answer_export(request, dialog, users, partial(export_users, by=request.actor, account=account, users=users))


@needs(Permission.USERS_SEE)
@require_safe
def user_detail(request: SignedIn, pk: int) -> HttpResponse:
    user = found(request, pk)
    keys = with_status(visible_to(request.user).filter(owner=user)).select_related("api").defer("api__document")
    return answer(
        request,
        "user",
        {
            "person": user,
            "itself": user.pk == request.user.pk,
            "keys": keys.order_by("name", "pk")[:MOST_KEYS],
            "sessions": session_count(user),
            "may_change": may_change(request),
        },
    )


def back_to(request: SignedIn, pk: int, said: str) -> HttpResponse:
    """To the page of the user after something was done to them."""
    messages.success(request, said)
    return redirect("user-detail", pk)
