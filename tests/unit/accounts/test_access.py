"""Permissions of actors by role, account and state."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.test import RequestFactory
from django.views.decorators.http import require_safe

from accounts.models import Account, User
from core.authorization import Denied
from core.page_guard import needs, public
from core.permissions import Permission, Role


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("inside")


def request(method: str = "GET", path: str = "/keys/?q=a&status=active", user: User | None = None) -> HttpRequest:
    made = RequestFactory().generic(method, path)
    made.user = user or AnonymousUser()
    made._messages = CookieStorage(made)  # type: ignore[attr-defined]
    return made


def inside(response: HttpResponseBase) -> bool:
    return isinstance(response, HttpResponse) and response.content == b"inside"


def user(*roles: Role, is_active: bool = True) -> User:
    account = None if Role.SUPPORT in roles else Account(pk=1)
    return User(pk=1, account=account, roles=list(roles), is_active=is_active)


def test_a_page_opens_for_those_who_hold_its_permission() -> None:
    response = needs(Permission.KEYS_CHANGE)(page)(request(user=user(Role.ADMINISTRATOR)))

    assert inside(response)


def test_a_page_with_two_permissions_asks_for_both() -> None:
    view = needs(Permission.KEYS_SEE, Permission.TRAIL_SEE)(page)

    assert inside(view(request(user=user(Role.AUDITOR))))
    with pytest.raises(Denied) as denied:
        view(request(user=user(Role.ACCOUNT_READER)))
    assert denied.value.permission == Permission.TRAIL_SEE


def test_support_and_inactive_users_are_denied() -> None:
    view = needs(Permission.KEYS_SEE_OWN)(page)

    for refused in (user(Role.SUPPORT), user(Role.ADMINISTRATOR, is_active=False)):
        with pytest.raises(Denied):
            view(request(user=refused))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_signed_out_one_signs_in_first_and_comes_back(method: str) -> None:
    response = needs(Permission.PROFILE)(page)(request(method))

    assert response.status_code == 302
    assert response.headers["Location"] == "/login/?next=%2Fkeys%2F%3Fq%3Da%26status%3Dactive"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_what_cannot_be_opened_by_a_link_is_not_come_back_to(method: str) -> None:
    sent = request(method)
    assert needs(Permission.PROFILE)(page)(sent).headers["Location"] == "/login/"
    shown = [message.message for message in get_messages(sent)]
    assert shown == ["Your session has ended, so nothing was saved. Sign in and submit the form again."]


def test_who_may_not_open_a_page_does_not_learn_its_methods() -> None:
    view = needs(Permission.KEYS_CHANGE)(require_safe(page))

    with pytest.raises(Denied):
        view(request("POST", user=user()))
    assert view(request("POST", user=user(Role.ADMINISTRATOR))).status_code == 405


def test_a_view_carries_what_it_needs_or_why_it_is_public() -> None:
    assert vars(needs(Permission.LOG_SEE)(page))["permissions"] == {Permission.LOG_SEE}
    assert vars(public("health")(page))["public"] == "health"
    assert inside(public("health")(page)(request()))


def test_a_page_that_needs_nothing_must_say_why() -> None:
    with pytest.raises(TypeError, match="public"):
        needs()
