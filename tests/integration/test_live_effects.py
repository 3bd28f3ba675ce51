"""What follows a form as it is filled in asks the database for no more than it shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])


@pytest.fixture
def alice(transactional_db: None) -> User:
    return a_user(an_account(), "Alice", Role.ADMINISTRATOR)


def count_statements(client: Client, url: str, form: dict[str, Any]) -> int:
    """Return how many statements the second answer takes: the first fills what is kept."""
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            answer = client.post(url, form | {"check": "live"}, headers={"HX-Request": "true"})
        assert "No calls were made." in answer.content.decode()
    return len(queries)


def test_the_settings_of_a_key_take_twelve_statements(client: Client, alice: User) -> None:
    key = a_billing_key(alice).key
    client.force_login(alice)
    form = {"name": "Shop", "platform": "server", "every_module": "all", "expiry": "keep", "version": key.version}

    # Session, user, account; key, its entries, lists and modules, version of its API, lists to choose from; epoch,
    # state of the sums, calls.
    assert count_statements(client, f"/keys/{key.public_id}/edit/", form) == 12


def test_an_entry_takes_ten_statements_however_many_keys_use_its_list(client: Client, alice: User) -> None:
    ip_list = an_ip_list(alice, "203.0.113.0/24", used_by=a_billing_key(alice).key)
    client.force_login(alice)
    form = {"network": "203.0.113.0/25", "enabled": "on", "stamp": "-"}

    # Session, user, account; list, entry, whether the address is there, others; epoch, state of the sums, calls.
    assert count_statements(client, f"/ip-lists/{ip_list.pk}/entries/{ip_list.entries.get().pk}/edit/", form) == 10
