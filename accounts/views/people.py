"""The users of the account: the list, its file, and a page for each."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_POST, require_safe

from accounts.access import SignedIn, needs
from accounts.exports import export_users
from accounts.filters import UserFilter
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
@require_POST
def user_export(request: SignedIn) -> HttpResponse:
    """The page's filters apply; they are in the address, as on the page itself."""
    account = own_account(request)
    users = UserFilter(request.GET, people_of(account))
    if not users.is_valid():
        return answer(request, "users", {"filter": users}, 400)
    name, content = export_users(by=request.actor, account=account, users=users)
    response = HttpResponse(content, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or ""
    response.headers["Cache-Control"] = "no-store"
    return response


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
