"""What the templates of lists look for is there: a name that Django does not find costs an exception each time, and in
a row it is looked for fifty times."""

from __future__ import annotations

import logging
from collections import Counter

import pytest
from django.test import Client

from core.permissions import Role
from tests.factories.accounts import a_user, an_account
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db

ROWS = 4
# Once or twice a page, as `request.GET.after`, for what a page may be given or not.
MAX_MISSES = 2
PAGES = ("/keys/", "/ip-lists/", "/logs/", "/audit/", "/users/")


def test_no_row_of_a_list_looks_for_a_name_in_vain(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    admin = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    for number in range(ROWS):
        a_user(admin.account, f"User {number}")
        a_billing_key(admin, "203.0.113.0/24", name=f"Key {number}")
        an_ip_list(admin, "203.0.113.0/24", name=f"List {number}")
        a_call(admin.account)
    client.force_login(admin)
    for page in PAGES:
        caplog.clear()
        with caplog.at_level(logging.DEBUG, logger="django.template"):
            response = client.get(page)
        assert response.status_code == 200
        assert response.content.count(b"<tr") > ROWS
        missed = Counter(str(record.args[0]) for record in caplog.records if isinstance(record.args, tuple))
        assert all(count <= MAX_MISSES for count in missed.values()), (page, missed)
