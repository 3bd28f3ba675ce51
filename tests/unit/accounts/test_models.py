"""What the database itself refuses, whatever the code above it does."""

from __future__ import annotations

import pytest
from django.db import IntegrityError

from accounts.models import Account, User
from core.permissions import Role
from tests.factories.accounts import a_user, an_account

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("user_email_lower_case", {"email": "Bob@acme.example"}),
        ("accounts_user_email", {"email": "alice@acme.example"}),
        ("user_nickname_unique_in_account", {"nickname": "ALICE"}),
        ("user_support_has_no_account", {"roles": [Role.SUPPORT]}),
        ("user_support_has_no_account", {"roles": [Role.ADMINISTRATOR, Role.SUPPORT]}),
        ("user_support_has_no_account", {"roles": ["owner"]}),
        ("user_support_has_no_account", {"roles": [Role.ADMINISTRATOR], "account": None}),
    ],
)
def test_a_user_cannot_be_stored_wrong(constraint: str, change: dict[str, object]) -> None:
    acme = an_account()
    a_user(acme, "Alice")
    bob = a_user(acme, "Bob")

    with pytest.raises(IntegrityError, match=constraint):
        User.objects.filter(pk=bob.pk).update(**change)


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("account_status", {"status": "closed"}),
        ("account_mask_side", {"mask_side": "left"}),
        ("account_mask_digits", {"mask_digits": 16}),
        ("accounts_account_slug", {"slug": "globex"}),
    ],
)
def test_an_account_cannot_be_stored_wrong(constraint: str, change: dict[str, object]) -> None:
    an_account("globex")
    acme = an_account()

    with pytest.raises(IntegrityError, match=constraint):
        Account.objects.filter(pk=acme.pk).update(**change)


def test_who_was_support_may_be_left_with_nothing() -> None:
    sam = a_user(None, "Sam", Role.SUPPORT)

    User.objects.filter(pk=sam.pk).update(roles=[])


def test_every_session_ends_with_the_password_or_by_the_count() -> None:
    alice = a_user(an_account(), "Alice")
    first = alice.get_session_auth_hash()
    alice.sessions_ended += 1
    second = alice.get_session_auth_hash()
    alice.set_password("another password entirely")

    assert len({first, second, alice.get_session_auth_hash()}) == 3


def test_natural_keys_find_an_address_in_any_case() -> None:
    alice = a_user(an_account(), "Alice")

    assert User.objects.get_by_natural_key("ALICE@acme.example") == alice
