"""Alice opens the overview in the morning, sees that something is wrong, and follows it to the calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def shop(alice: User) -> Key:
    """A key with which twelve calls were refused, and one allowed."""
    key = a_billing_key(alice, name="Shop").key
    for _ in range(12):
        a_call(key.account, key_id=key.public_id, reason="ip_not_allowed", decision="denied")
    a_call(key.account, key_id=key.public_id)
    return key


def follow(page: Page, alice: User, live_server: Any, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    expect(page.get_by_role("heading", name="1 item to review")).to_be_visible()
    expect(page.get_by_role("region", name="Calls", exact=True)).to_contain_text("12 Refused in 24 hours")
    page.get_by_role("link", name="12 calls were refused in 24 hours, 0 in the 24 hours before.").click()
    expect(page.get_by_role("heading", name="API logs")).to_be_visible()
    expect(page.locator("#log .list tbody tr:not(.day)")).to_have_count(12)
    page.go_back()
    page.get_by_role("link", name="Any address allowed").click()
    expect(page.get_by_role("link", name="Shop", exact=True)).to_be_visible()


def test_what_is_wrong_leads_to_its_calls(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    follow(page, alice, live_server, sign_in)
    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_role("heading", name="1 item to review")).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert_accessible(page)


def test_the_same_without_javascript(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    follow(plain_page, alice, live_server, sign_in)
