"""The left menu of each role."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import NoReverseMatch, resolve, reverse

from accounts.models import User
from config import menu
from core.permissions import Role


def labels(user: object, path: str = "/") -> list[str]:
    request = RequestFactory().get(path)
    request.user = user  # type: ignore[assignment]
    return [entry.label for entry in menu.build_menu(request)["menu"]]


def someone(*roles: Role, account: int | None = 1) -> User:
    return User(email="a@acme.example", nickname="a", account_id=account, roles=list(roles))


def existing(*names: str) -> list[str]:
    """Return the labels of those of the named pages that there are."""
    found = []
    for label, name, _icon, _permissions in menu.PAGES:
        if name in names:
            try:
                reverse(name)
            except NoReverseMatch:
                continue
            found.append(label)
    return found


@pytest.mark.parametrize(
    ("roles", "pages"),
    [
        (
            [Role.ADMINISTRATOR],
            ("overview", "key-list", "ip-list-list", "log-list", "trail-list", "user-list", "settings"),
        ),
        ([Role.AUDITOR], ("overview", "key-list", "ip-list-list", "log-list", "trail-list", "user-list", "settings")),
        ([Role.ACCOUNT_READER], ("overview", "key-list", "ip-list-list", "log-list")),
        ([], ("key-list",)),
    ],
)
def test_the_menu_shows_only_what_a_role_may_open(roles: list[Role], pages: tuple[str, ...]) -> None:
    assert labels(someone(*roles)) == existing(*pages)


def test_nobody_gets_a_menu_and_support_the_administration() -> None:
    assert labels(AnonymousUser()) == []
    lists = ["Accounts", "Users", "API keys", "IP lists", "APIs", "API logs", "Audit trail"]
    assert labels(someone(Role.SUPPORT, account=None)) == ["Administration", *lists]


def test_an_inactive_user_gets_no_menu() -> None:
    user = someone(Role.ADMINISTRATOR)
    user.is_active = False
    assert labels(user) == []


def test_the_entry_of_the_page_and_of_pages_beneath_it_is_current() -> None:
    request = RequestFactory().get(f"{reverse('overview')}")
    request.user = someone(Role.ADMINISTRATOR)
    assert [entry.label for entry in menu.build_menu(request)["menu"] if entry.current] == ["Overview"]


@pytest.mark.parametrize(
    ("path", "label"),
    [("/admin/", "Administration"), ("/admin/keys/key/1/change/", "API keys"), ("/admin/audit/event/", "Audit trail")],
)
def test_the_current_entry_of_the_administration(path: str, label: str) -> None:
    request = RequestFactory().get(path)
    request.user = someone(Role.SUPPORT, account=None)
    assert [entry.label for entry in menu.build_menu(request)["menu"] if entry.current] == [label]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/lists/log/columns/", "API logs"),
        ("/lists/ip-lists/columns/", "IP lists"),
        ("/lists/keys/filters/new/", "API keys"),
    ],
)
def test_the_entry_of_a_list_is_current_where_its_columns_and_filters_are_changed(path: str, label: str) -> None:
    request = RequestFactory().get(path)
    request.user, request.resolver_match = someone(Role.ADMINISTRATOR), resolve(path)
    assert [entry.label for entry in menu.build_menu(request)["menu"] if entry.current] == [label]
