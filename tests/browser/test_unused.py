"""Alice takes away what nobody uses, and ends an old secret once the last application has changed over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key, Secret, SecretUse
from tests.browser.accessibility import assert_accessible
from tests.browser.painting import PAINTED
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.key_rows import a_secret
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]
NOW = datetime.now(UTC)


@pytest.fixture
def shop(alice: User) -> Key:
    """Half a year old, used every day for customers alone; its secret was changed, and one server still has the old."""
    key = a_billing_key(alice, name="Shop", modules=frozenset({"customers", "invoices"})).key
    Key.objects.update(created_at=NOW - timedelta(days=180))
    Secret.objects.update(created_at=NOW - timedelta(hours=2))
    SecretUse.objects.create(secret=key.secrets.get(), used_at=NOW, address="203.0.113.8")
    a_secret(key, "kw_old", retires_at=NOW + timedelta(days=2))
    for _ in range(2):
        a_call(key.account, key_id=key.public_id, client_address="198.51.100.7", old_secret=True)
    a_call(key.account, key_id=key.public_id)
    return key


def test_the_current_tab_is_in_sight_on_a_telephone(
    narrow_page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    sign_in(narrow_page, alice.email, PASSWORD)
    narrow_page.goto(f"{live_server.url}/unused/old-secrets/")
    expect(narrow_page.get_by_role("link", name="Old secrets")).to_be_in_viewport(ratio=0.99)
    narrow_page.set_viewport_size({"width": 1280, "height": 844})
    # A width that lasts for less than a frame is not observed.
    narrow_page.evaluate(PAINTED)
    narrow_page.set_viewport_size({"width": 390, "height": 844})
    expect(narrow_page.get_by_role("link", name="Old secrets")).to_be_in_viewport(ratio=0.99)


def test_what_nobody_uses_is_taken_away_with_one_click(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/unused/")
    expect(page.get_by_role("heading", name="Nothing is unused")).to_be_visible()
    page.get_by_role("link", name="Modules", exact=True).click()
    expect(page.get_by_role("cell", name="Invoices: never used")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Remove Shop").click()
    modal = page.locator("#modal")
    expect(modal.get_by_text("No effect on 3 calls.")).to_be_visible()
    assert_accessible(page)
    modal.get_by_role("button", name="Yes, remove").click()
    expect(page.get_by_text("Removed from Shop: Invoices.")).to_be_visible()
    expect(page.get_by_role("heading", name="Nothing is unused")).to_be_visible()
    page.set_viewport_size({"width": 390, "height": 844})
    assert_accessible(page)


def test_who_still_has_the_old_secret_is_seen_before_it_ends(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?secret=old")
    page.get_by_role("link", name="Shop", exact=True).click()
    expect(page.get_by_text("2 calls were allowed with the old secret and 1 with the new one.")).to_be_visible()
    still = page.get_by_role("table", name="Who uses the old secret")
    expect(still.get_by_role("row").nth(1)).to_contain_text("198.51.100.7")
    assert_accessible(page)
    page.get_by_role("link", name="End it now").click()
    modal = page.locator("#modal")
    expect(modal.get_by_text("Would have refused 2 of 3 calls, from 1 address")).to_be_visible()
    assert_accessible(page)
    modal.get_by_role("button", name="Yes, end it now").click()
    expect(page.get_by_text("no longer works")).to_be_visible()


def test_without_javascript(plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/unused/modules/")
    page.get_by_role("link", name="Remove Shop").click()
    expect(page.get_by_text("No effect on 3 calls.")).to_be_visible()
    page.get_by_role("button", name="Yes, remove").click()
    expect(page.get_by_text("Removed from Shop: Invoices.")).to_be_visible()
    page.goto(f"{live_server.url}/keys/{shop.public_id}/")
    page.get_by_role("link", name="End it now").click()
    expect(page.get_by_text("Would have refused 2 of 3 calls, from 1 address")).to_be_visible()
    page.get_by_role("button", name="Yes, end it now").click()
    expect(page.get_by_text("no longer works")).to_be_visible()


@pytest.mark.full
def test_on_a_telephone_what_is_unused_is_in_line(
    narrow_page: Page, live_server: Any, sign_in: SignIn, alice: User, shop: Key
) -> None:
    sign_in(narrow_page, alice.email, PASSWORD)
    narrow_page.goto(f"{live_server.url}/unused/modules/")
    row = narrow_page.locator("tbody tr").first
    parts = (".name a", ".button", "li", "[data-label=Since] time")
    boxes = [row.locator(part).first.evaluate("each => each.getBoundingClientRect().toJSON()") for part in parts]
    name, button, first, since = boxes
    assert round(button["x"]) == round(name["x"])
    assert abs(first["y"] - since["y"]) < 4
