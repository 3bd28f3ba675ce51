"""The Back button leads to each list as it was left: filters, order, page and place; and sends no form again."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.keys import a_billing_key, events

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
LOW = {"width": 1360, "height": 400}


@pytest.fixture
def listed(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> Page:
    """The list of twelve keys, of which one is disabled, in a low window."""
    for number in range(12):
        a_billing_key(alice, name=f"Robot {number:02}", enabled=number != 3)
    page.set_viewport_size(LOW)  # type: ignore[arg-type]
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    return page


def get_top(page: Page) -> int:
    return int(page.evaluate("Math.round(scrollY)"))


def expect_top(page: Page, top: int) -> None:
    page.wait_for_function("top => Math.abs(scrollY - top) < 2", arg=top)


def test_to_a_filtered_and_sorted_list(listed: Page) -> None:
    page = listed
    page.get_by_label("Status").first.select_option("active")
    expect(page).to_have_url(re.compile(r"\?status=active$"))
    page.get_by_role("searchbox").first.fill("Robot")
    expect(page).to_have_url(re.compile(r"q=Robot"))
    page.get_by_role("columnheader", name="Name").get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"sort=name"))
    robot = page.get_by_role("link", name="Robot 07", exact=True)
    robot.scroll_into_view_if_needed()
    address, top = page.url, get_top(page)
    assert top > 0
    robot.click()
    expect(page.get_by_role("heading", name="Robot 07", level=1)).to_be_visible()
    page.go_back()
    expect(page).to_have_url(address)
    expect_top(page, top)
    expect(page.get_by_role("link", name="Robot 03", exact=True)).to_be_hidden()
    expect(page.get_by_label("Status").first).to_have_value("active")
    expect(page.get_by_role("searchbox").first).to_have_value("Robot")
    page.go_back()
    expect(page.get_by_role("columnheader", name="Created")).to_have_attribute("aria-sort", "descending")
    expect(page.get_by_role("searchbox").first).to_have_value("Robot")


@pytest.mark.full
def test_from_a_panel_over_the_second_page(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    now = datetime.now(UTC)
    for number in range(60):
        a_call(alice.account, path=f"/calls/{number}", time=now - timedelta(seconds=number))
    page.set_viewport_size(LOW)  # type: ignore[arg-type]
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    first = page.url
    page.get_by_role("link", name="Older").click()
    row = page.get_by_role("row").filter(has_text="/calls/57").get_by_role("link").first
    row.scroll_into_view_if_needed()
    second, top = page.url, get_top(page)
    row.click()
    expect(page.locator("#panel")).to_be_visible()
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    expect(page).to_have_url(second)
    expect_top(page, top)
    page.go_back()
    expect(page).to_have_url(first)
    expect(page.get_by_role("link", name="Older")).to_be_attached()
    page.go_forward()
    expect(page).to_have_url(second)
    expect_top(page, top)


def test_after_a_saved_form(listed: Page) -> None:
    page = listed
    page.goto(f"{page.url}?status=active&sort=name")
    page.get_by_role("link", name="Edit Robot 07").click()
    page.get_by_label("Application name").fill("Robot 07 b")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Robot 07 b saved")).to_be_visible()
    page.go_back()
    # Also the list as it was before the form shows what was saved.
    expect(page).to_have_url(re.compile(r"\?status=active&sort=name$"))
    expect(page.get_by_role("link", name="Robot 07 b", exact=True)).to_be_attached()
    assert len(events("key.edited")) == 1

    page.get_by_role("link", name="Robot 08", exact=True).click()
    key_page = page.url
    page.goto(f"{key_page}edit/")
    page.get_by_label("Application name").fill("Robot 08 b")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Robot 08 b", level=1)).to_be_visible()
    page.go_back()
    expect(page.get_by_label("Application name")).to_have_value("Robot 08 b")
    page.go_back()
    expect(page).to_have_url(key_page)
    assert len(events("key.edited")) == 2


@pytest.mark.full
def test_after_a_change_of_several_keys(listed: Page) -> None:
    page = listed
    page.goto(f"{page.url}?status=active&sort=name")
    page.get_by_label("Select Robot 01").check()
    page.get_by_label("Select Robot 02").check()
    page.locator("#chosen").get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("2 keys are disabled")).to_be_visible()
    # The dialog has no place of its own: Back leads to the page before the list, Forward to the list.
    page.go_back()
    expect(page).to_have_url(re.compile(r"/keys/$"))
    page.go_forward()
    expect(page).to_have_url(re.compile(r"\?status=active&sort=name#chosen$"))
    expect(page.get_by_role("link", name="Robot 00", exact=True)).to_be_attached()
    expect(page.get_by_role("link", name="Robot 01", exact=True)).to_be_hidden()
    # What was selected is not selected again, on whichever rows have come to its place.
    expect(page.locator("tbody :checked")).to_have_count(0)
    assert len(events("key.disabled")) == 2
