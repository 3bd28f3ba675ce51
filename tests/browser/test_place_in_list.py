"""A row's action leads back to the place in the list where the row is, and marks it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from core.permissions import Role
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
MARKED = "document.querySelector('tr:target')?.querySelector('.name').textContent.trim() ?? ''"


@pytest.fixture
def alice() -> User:
    alice = a_user(an_account(), "Alice", Role.ADMINISTRATOR)
    a_user(alice.account, "Bob")
    for number in range(12):
        a_billing_key(alice, name=f"Robot {number:02}")
    return alice


def in_the_middle(page: Page, sign_in: SignIn, live_server: Any, alice: User) -> int:
    """Scroll to Robot 05; return how far that is."""
    page.set_viewport_size({"width": 1360, "height": 400})
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?sort=name")
    page.get_by_role("link", name="Disable Robot 05").evaluate("each => each.scrollIntoView({block: 'center'})")
    return scrolled(page)


def scrolled(page: Page) -> int:
    return int(page.evaluate("Math.round(scrollY)"))


@pytest.mark.full
def test_the_list_stays_where_it_was_scrolled_to(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    top = in_the_middle(page, sign_in, live_server, alice)
    assert top > 100

    def is_back(message: str, marked: str) -> None:
        expect(page.get_by_text(message)).to_be_in_viewport()
        expect(page).to_have_url(re.compile(r"/keys/\?sort=name#key-\w{12}$"))
        assert page.evaluate(MARKED) == marked
        # A message stands above the list now.
        assert abs(scrolled(page) - top) < 80, message

    page.get_by_role("link", name="Disable Robot 05").click()
    page.get_by_role("button", name="Yes, disable").click()
    is_back("Robot 05 is disabled", "Robot 05")
    assert_accessible(page)
    # The same once more: the address does not change, the page does.
    page.get_by_role("link", name="Enable Robot 05").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.locator("#modal").get_by_role("button", name="Enable", exact=True).click()
    is_back("Robot 05 is enabled", "Robot 05")
    page.get_by_role("button", name="More actions for Robot 06").click()
    page.get_by_role("link", name="Reassign Robot 06").click()
    page.locator("#modal").get_by_label("New owner").select_option("Bob (bob@acme.example)")
    page.locator("#modal").get_by_label("Your password").fill(PASSWORD)
    page.locator("#modal").get_by_role("button", name="Reassign").click()
    is_back("Robot 06 belongs to Bob now.", "Robot 06")
    page.get_by_role("link", name="Edit Robot 06").click()
    page.get_by_label("Application name").fill("Robot 06 b")
    page.get_by_role("button", name="Save changes").click()
    is_back("Robot 06 b saved", "Robot 06 b")
    page.get_by_role("button", name="More actions for Robot 05").click()
    page.get_by_role("link", name="Change API key of Robot 05").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Yes, change API key").click()
    page.get_by_role("button", name="Copy", exact=True).first.click()
    with page.expect_event("load"):
        page.get_by_role("link", name="Done").click()
    expect(page).to_have_url(re.compile(r"/keys/\?sort=name#key-\w{12}$"))
    assert page.evaluate(MARKED) == "Robot 05"
    assert abs(scrolled(page) - top) < 80
    page.get_by_role("button", name="More actions for Robot 05").click()
    page.get_by_role("link", name="Delete Robot 05").click()
    page.locator("#modal").get_by_role("button", name="Yes, delete").click()
    is_back("Robot 05 is deleted", "")


@pytest.mark.full
def test_without_javascript_the_row_is_in_sight(
    plain_page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    page = plain_page
    in_the_middle(page, sign_in, live_server, alice)
    page.get_by_role("link", name="Disable Robot 05").click()
    page.get_by_role("button", name="Yes, disable").click()
    row = page.locator("tr:target")
    expect(row).to_contain_text("Robot 05")
    expect(row).to_be_in_viewport()
    expect(page.get_by_text("Robot 05 is disabled")).to_be_in_viewport()
    assert not page.evaluate(
        """() => { const row = document.querySelector('tr:target').getBoundingClientRect();
        return row.top < document.querySelector('.messages').getBoundingClientRect().bottom }"""
    )
