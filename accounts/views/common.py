"""What the pages about people share: whom they are about, and how a page or its fragment is answered."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from accounts.models import Account, User
from accounts.selectors import people_of
from core.authorization import AccountNotActive, has
from core.page_guard import SignedIn
from core.pages import own_account
from core.permissions import Permission


def may_change(request: SignedIn) -> bool:
    """Whether users and settings can be changed by this reader now: not in a suspended account."""
    return has(request.user, Permission.USERS_CHANGE) and own_account(request).status != Account.Status.SUSPENDED


def account_to_change(request: SignedIn) -> Account:
    account = own_account(request)
    if account.status == Account.Status.SUSPENDED:
        raise AccountNotActive(account.status)
    return account


def found(request: SignedIn, pk: int) -> User:
    """The user, if they are in the reader's account; another account's is not there."""
    user = people_of(own_account(request)).filter(pk=pk).first()
    if user is None:
        raise Http404("There is no such user.")
    return user


def found_to_change(request: SignedIn, pk: int) -> User:
    account_to_change(request)
    return found(request, pk)


def back_to(request: SignedIn, pk: int, said: str) -> HttpResponse:
    """To the page of the user after something was done to them."""
    messages.success(request, said)
    return redirect("user-detail", pk)
