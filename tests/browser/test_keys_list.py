"""The list of keys in a browser: its filters act at once, and ticked keys are disabled, with JavaScript and without."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from core.permissions import Role
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(transactional_db: None) -> User:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    bob = a_user(alice.account, "Bob")
    for name, owner in (("Invoice robot", alice), ("Payment page", bob), ("Old app", bob)):
        a_billing_key(alice, "203.0.113.7", name=name, owner=owner)
    return alice


def test_filters_act_at_once_and_ticked_keys_are_disabled(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_label("Owner", exact=True).fill("bob")
    page.get_by_label("Owner", exact=True).press("Tab")
    expect(page.get_by_role("link", name="Invoice robot", exact=True)).to_be_hidden()
    page.get_by_label("Unused for").select_option("Never used")
    expect(page).to_have_url(re.compile("owner=bob&unused=never$"))
    expect(page.get_by_role("link", name="Remove Owner: bob")).to_be_visible()
    # The dialog of the export knows the filters that came without a new page.
    page.get_by_role("link", name="Export").click()
    modal = page.locator("#modal")
    expect(modal.get_by_text("Never used")).to_be_visible()
    assert_accessible(page)
    with page.expect_download() as download:
        modal.get_by_role("button", name="Export").click()
    assert re.fullmatch(r"keyward-acme-keys-\d{8}T\d{6}Z-\d+.csv", download.value.suggested_filename)
    page.get_by_label("Select all on this page").check()
    expect(page.get_by_label("Select Old app")).to_be_checked()
    page.get_by_label("Select Payment page").uncheck()
    assert_accessible(page)
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(modal.get_by_text("Old app")).to_be_visible()
    assert_accessible(page)
    modal.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("1 key is disabled")).to_be_visible()
    expect(page).to_have_url(re.compile("owner=bob&unused=never#chosen$"))
    assert set(Key.objects.filter(enabled=False).values_list("name", flat=True)) == {"Old app"}
    for name in ("all on this page", "Payment page"):
        expect(page.get_by_label(f"Select {name}")).not_to_be_checked()
    # So are those of one row.
    page.get_by_role("button", name="More actions for Old app").click()
    page.get_by_role("link", name="Delete Old app").click()
    modal.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("Old app is deleted")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/keys/\?owner=bob&unused=never#key-\w{12}$"))
    page.get_by_role("link", name="Edit Payment page").click()
    page.locator("#panel").get_by_label("Application name").fill("Checkout")
    page.locator("#panel").get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Checkout saved.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/keys/\?owner=bob&unused=never#key-\w{12}$"))


@pytest.mark.full
def test_the_same_without_javascript(
    plain_page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_label("Owner", exact=True).fill("bob")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("link", name="Invoice robot", exact=True)).to_be_hidden()
    page.get_by_label("Select Old app").check()
    page.get_by_role("button", name="Disable", exact=True).click()
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("1 key is disabled")).to_be_visible()
    page.get_by_label(re.compile("Select all .*that match")).check()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_role("listitem").filter(has_text="Payment page")).to_be_visible()
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("1 key is disabled")).to_be_visible()
    assert set(Key.objects.filter(enabled=True).values_list("name", flat=True)) == {"Invoice robot"}
