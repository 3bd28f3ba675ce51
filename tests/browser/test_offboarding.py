"""Bob leaves, and Alice decides what becomes of each of his keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def bob(alice: User) -> User:
    """The owner of a key that the shop uses, and of two that nobody does."""
    bob = a_user(alice.account, "Bob")
    shop, *_ = (a_billing_key(alice, owner=bob, name=name).key for name in ("Shop", "Kiosk", "Report"))
    for _ in range(2):
        a_call(shop.account, key_id=shop.public_id)
    return bob


def test_as_the_choices_are_made_the_panel_says_what_they_refuse(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, bob: User
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="Users").click()
    page.get_by_role("link", name="Bob", exact=True).click()
    page.get_by_role("link", name="Deactivate").click()
    panel = page.locator("#panel")
    shop = panel.get_by_role("group", name="Shop")
    expect(shop).to_contain_text("2 calls in the last 30 days")
    effect = panel.get_by_role("status", name="Effect on the calls of the last 30 days")
    expect(effect).to_contain_text("Would have refused 2 of 2 calls")
    # What does not count is not asked for.
    expect(shop.get_by_label("New owner")).to_be_hidden()
    panel.get_by_label("Disable them").check()
    shop.get_by_label("What happens").select_option("Reassign and let it expire")
    expect(shop.get_by_label("Expires on")).to_be_visible()
    shop.get_by_label("New owner").fill("Alize")
    shop.get_by_label("Expires on").fill("2099-12-31")
    assert_accessible(page)
    panel.get_by_role("button", name="Yes, deactivate").click()
    expect(panel.get_by_text('"Alize" is not an active user of this account.')).to_be_visible()
    expect(shop.get_by_label("Expires on")).to_have_value("2099-12-31")
    assert_accessible(page)
    shop.get_by_label("New owner").fill("Alice")
    shop.get_by_label("New owner").press("Tab")
    expect(effect).to_contain_text("1 key expires on 2099-12-31")
    expect(effect).to_contain_text("No calls were made.")
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Yes, deactivate").click()
    expect(page.get_by_text("1 of their 3 keys now belong to Alice.")).to_be_visible()
    assert set(Key.objects.values_list("name", "owner__nickname", "enabled")) == {
        *(("Shop", "Alice", True), ("Kiosk", "Bob", False), ("Report", "Bob", False))
    }


def test_without_javascript_the_effect_is_a_step_of_its_own(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, bob: User
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/users/{bob.pk}/deactivate/")
    page.get_by_label("Reassign them: calls keep working").check()
    page.locator("#id_heir").select_option(label="Alice (alice@acme.example)")
    kiosk = page.get_by_role("group", name="Kiosk")
    kiosk.get_by_label("What happens").select_option("Disable")
    page.get_by_role("button", name="Check effect").click()
    expect(page.get_by_role("status", name="Effect on the calls of the last 30 days")).to_contain_text(
        "No calls were made."
    )
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Yes, deactivate").click()
    expect(page.get_by_text("2 of their 3 keys now belong to Alice.")).to_be_visible()
    bob.refresh_from_db()
    assert not bob.is_active
