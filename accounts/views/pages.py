"""What the pages about people share: whom they are about, and how a page or its fragment is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from accounts.access import SignedIn
from accounts.models import Account, User
from accounts.permissions import Permission
from accounts.policy import AccountNotActive, has
from accounts.selectors import people_of


def own_account(request: SignedIn) -> Account:
    """The reader's account; who has none holds no permission that opens these pages."""
    account = request.user.account
    assert account is not None
    return account


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


def posted(request: HttpRequest) -> QueryDict | None:
    """What a form is bound to; an empty POST is a form with nothing filled in, not a fresh one."""
    return request.POST if request.method == "POST" else None


def status_of(request: HttpRequest) -> int:
    """Of a page that shows a form: a form that was sent comes back because something in it is wrong."""
    return 422 if request.method == "POST" else 200


def answer(request: SignedIn, name: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """The page `accounts/<name>.html`, or for htmx and panels the fragment that it includes."""
    return _private(request, f"accounts/_{name}.html" if request.htmx else f"accounts/{name}.html", context, status)


def dialog(request: SignedIn, name: str, title: str, context: Mapping[str, Any], status: int = 200) -> HttpResponse:
    """As `answer`, for what has no page of its own but this title: `accounts/_<name>.html`."""
    fragment = f"accounts/_{name}.html"
    template = fragment if request.htmx else "dialog.html"
    return _private(request, template, {**context, "title": title, "fragment": fragment}, status)


def _private(request: SignedIn, template: str, context: Mapping[str, Any], status: int) -> HttpResponse:
    response = render(request, template, dict(context), status=status)
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["HX-Request"])
    return response
