"""Fixtures of tests that ask for pages with Django's test client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from accounts.models import Account, User
    from keys.models import Api


@pytest.fixture
def signed_in(client: Client, alice: User) -> User:
    """Alice, an Administrator, signed in as `client`, from ADDRESS."""
    from tests.factories.accounts import ADDRESS

    client.defaults["REMOTE_ADDR"] = ADDRESS
    client.force_login(alice)
    return alice


@pytest.fixture
def billing_enabled(acme: Account) -> Api:
    """The API "billing", enabled for the account."""
    from tests.factories.keys import billing_for

    return billing_for(acme)


@pytest.fixture
def support(client: Client, db: None) -> User:
    """A member of Support with an authenticator app, signed in as `client`."""
    from core.permissions import Role
    from tests.factories.accounts import a_user, with_totp

    user = a_user(None, "Sam", Role.SUPPORT)
    with_totp(user)
    client.force_login(user)
    return user


@pytest.fixture
def unsummed(signed_in: User) -> User:
    """Alice, signed in; no call is summed yet, so that calls of earlier times can be logged."""
    from tests.factories.calls import as_owner

    as_owner("UPDATE audit_usage_state SET until = NULL")
    return signed_in
