"""The life of a key in a browser: added in a panel, shown, hidden, edited, disabled, enabled, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from core.permissions import Role
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import a_billing_key, billing_for

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


@pytest.fixture
def alice() -> Any:
    user = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    billing_for(user.account)
    return user


@pytest.fixture
def key_list(page: Page, live_server: Any, alice: Any, sign_in: Callable[[Page, str, str], None]) -> Page:
    """The list of keys, of an Administrator."""
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    return page


@pytest.fixture
def token(key_list: Page, alice: Any) -> str:
    """The token of a key that is in the list."""
    made = a_billing_key(alice, "203.0.113.0/24", name="Invoice robot")
    key_list.reload()
    return made.token


def test_a_key_is_created_in_its_panel(key_list: Page) -> None:
    page = key_list
    assert_accessible(page)
    page.get_by_role("link", name="Add API key").first.click()
    panel = page.locator("#panel")
    expect(panel).to_be_visible()
    expect(page).to_have_url(re.compile("/keys/new/\\?api=billing"))
    assert_accessible(page)
    panel.get_by_label("Application name").fill("Invoice robot")
    panel.get_by_label("Application website").fill("https://robot.example")
    panel.get_by_label("Platform").select_option("Server")
    panel.get_by_role("textbox", name="IP ACL").fill("203.0.113.0/24")
    panel.get_by_role("button", name="Add", exact=True).click()
    panel.get_by_text("More settings").click()
    assert_accessible(page)
    panel.get_by_label("Your password").fill("wrong")
    panel.get_by_role("button", name="Create").click()
    expect(panel.get_by_text("9 attempts left")).to_be_visible()
    expect(panel.get_by_label("Application name")).to_have_value("Invoice robot")
    expect(panel.get_by_label("Your password")).to_have_value("")
    assert_accessible(page)
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Create").click()
    expect(panel.get_by_text("Keep your access token private")).to_be_visible()
    token = panel.locator("[data-secret-value]").first.inner_text()
    assert TOKEN.fullmatch(token)
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Invoice robot", exact=True)).to_be_visible()
    assert token not in page.content()


def test_a_key_is_found_and_its_token_shown_and_hidden(key_list: Page, token: str, alice: Any) -> None:
    page = key_list
    for name in ("Payment page", "CDR import", "Old mobile app"):
        a_billing_key(alice, "203.0.113.7", "2001:db8::/32", name=name, enabled=name[0] != "O")
    page.reload()
    assert_accessible(page)
    page.get_by_label("Search").fill("rob")
    expect(page.get_by_role("link", name="Payment page", exact=True)).to_be_hidden()
    expect(page).to_have_url(re.compile("q=rob"))
    assert_accessible(page)
    page.get_by_role("button", name="Show token").first.click()
    modal = page.locator("#modal")
    expect(modal).to_be_visible()
    assert_accessible(page)
    modal.get_by_label("Your password").fill("wrong")
    modal.get_by_role("button", name="Show token").click()
    expect(modal.get_by_text("attempts left")).to_be_visible()
    modal.get_by_label("Your password").fill(PASSWORD)
    modal.get_by_role("button", name="Show token").click()
    expect(page.get_by_text(token)).to_be_visible()
    assert_accessible(page)
    before = page.viewport_size
    assert before
    page.set_viewport_size({"width": 390, "height": 844})
    copy = page.get_by_role("button", name="Copy", exact=True)
    assert copy.evaluate("button => button.scrollWidth <= button.clientWidth")
    page.set_viewport_size(before)
    page.get_by_role("button", name="Hide token").first.click()
    expect(page.get_by_text(token)).to_be_hidden()


def test_a_key_is_edited_disabled_enabled_and_deleted(key_list: Page, token: str) -> None:
    page, panel, modal = key_list, key_list.locator("#panel"), key_list.locator("#modal")
    page.get_by_role("link", name="Invoice robot", exact=True).click()
    assert_accessible(page)
    page.get_by_role("link", name="Edit", exact=True).click()
    expect(panel).to_be_visible()
    assert_accessible(page)
    panel.get_by_role("button", name="Remove 203.0.113.0/24").click()
    panel.get_by_role("button", name="Save changes").click()
    expect(panel.get_by_text("confirm with your password")).to_be_visible()
    assert_accessible(page)
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Invoice robot saved")).to_be_visible()
    page.get_by_role("link", name="Disable", exact=True).click()
    expect(page.get_by_role("button", name="Yes, disable")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("Invoice robot is disabled")).to_be_visible()
    page.get_by_role("link", name="Enable", exact=True).click()
    modal.get_by_label("Your password").fill(PASSWORD)
    assert_accessible(page)
    modal.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Invoice robot is enabled")).to_be_visible()
    page.get_by_role("link", name="Delete", exact=True).click()
    assert_accessible(page)
    modal.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("Invoice robot is deleted")).to_be_visible()
    assert_accessible(page)
    page.set_viewport_size({"width": 390, "height": 844})
    assert_accessible(page)


@pytest.mark.full
def test_the_same_without_javascript(
    plain_page: Page, live_server: Any, alice: Any, sign_in: Callable[[Page, str, str], None]
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("link", name="Add API key").first.click()
    page.get_by_label("Application name").fill("Invoice robot")
    page.get_by_label("Platform").select_option("Server")
    page.get_by_label("IP ACL").fill("203.0.113.7\n203.0.113.300")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("203.0.113.300 is not an IP address")).to_be_visible()
    page.get_by_label("IP ACL").fill("203.0.113.7")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()
    token = page.locator("[data-secret-value]").first.inner_text()
    assert TOKEN.fullmatch(token)
    page.reload()
    expect(page.get_by_text("This form has already been used.")).to_be_visible()
    assert token not in page.content()
    page.get_by_role("link", name="Open Invoice robot").click()
    page.get_by_role("button", name="Show token").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Show token").click()
    expect(page.get_by_text(token).first).to_be_visible()
    page.get_by_role("link", name="Hide token").click()
    assert token not in page.content()
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Yes, disable").click()
    page.get_by_role("link", name="Enable").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("Invoice robot is enabled.")).to_be_visible()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("No API keys yet")).to_be_visible()
