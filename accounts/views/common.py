"""Shared by the views of users and settings: access to the account and its users."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from accounts.models import Account, User
from accounts.selectors import list_users
from core.authorization import AccountNotActive, has_permission
from core.page_guard import SignedIn
from core.pages import own_account
from core.permissions import Permission


def can_change_users(request: SignedIn) -> bool:
    """Return whether the signed-in user can change users and settings now: not in a suspended account."""
    return (
        has_permission(request.user, Permission.USERS_CHANGE)
        and own_account(request).status != Account.Status.SUSPENDED
    )


def get_changeable_account(request: SignedIn) -> Account:
    account = own_account(request)
    if account.status == Account.Status.SUSPENDED:
        raise AccountNotActive(account.status)
    return account


def get_user_or_404(request: SignedIn, pk: int) -> User:
    """Return a user of the signed-in user's own account. Raise Http404 for any other."""
    user = list_users(own_account(request)).filter(pk=pk).first()
    if user is None:
        raise Http404("User not found.")
    return user


def get_changeable_user_or_404(request: SignedIn, pk: int) -> User:
    get_changeable_account(request)
    return get_user_or_404(request, pk)


def redirect_to_user(request: SignedIn, pk: int, message: str) -> HttpResponse:
    """Redirect to the user's page with a success message."""
    messages.success(request, message)
    return redirect("user-detail", pk)
