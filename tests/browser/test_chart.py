"""The chart of calls: read by pointer, keyboard, finger and as a table, in the chosen zone; a press narrows the log."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call, empty_sums

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
DAY = "from=2026-10-05T00:00&to=2026-10-06T00:00"


@pytest.fixture
def calls(alice: User) -> None:
    empty_sums()
    for hour, count in ((9, 3), (10, 1), (22, 2)):
        for _ in range(count):
            a_call(alice.account, time=datetime(2026, 10, 5, hour, 30, tzinfo=UTC))
    refused = {"decision": "denied", "reason": "ip_not_allowed"}
    a_call(alice.account, time=datetime(2026, 10, 5, 9, 40, tzinfo=UTC), **refused)


@pytest.mark.usefixtures("calls")
def test_bars_are_read_by_pointer_and_keyboard_and_narrow_the_log(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?api=billing&{DAY}")
    chart = page.get_by_role("slider", name=re.compile("^Calls from 2026-10-05 00:00 to"))
    expect(page.get_by_text("Calls per hour", exact=True).first).to_be_visible()
    expect(page.locator(".chart-scale span")).to_have_text(["4", "2", "0"])
    expect(page.locator(".chart-times text").first).to_have_text("5 Oct 02:00")
    assert_accessible(page)
    chart.locator("[data-bar]").nth(9).hover()
    expect(page.locator("[data-readout]")).to_have_text("2026-10-05 09:00 to 2026-10-05 10:00 UTC: 3 allowed, 1 denied")
    chart.focus()
    for key in ("End", "ArrowLeft"):
        chart.press(key)
    expect(chart).to_have_attribute("aria-valuetext", re.compile("^2026-10-05 22:00 .* UTC: 2 allowed, 0 denied$"))
    chart.press("Enter")
    expect(page).to_have_url(re.compile(r"/logs/\?api=billing&from=2026-10-05T22%3A00&to=2026-10-05T23%3A00$"))
    expect(page.locator("tr[data-position]")).to_have_count(2)
    page.go_back()
    chart.locator("[data-bar]").nth(10).click()
    expect(page.locator("tr[data-position]")).to_have_count(1)


@pytest.mark.full
@pytest.mark.usefixtures("calls")
@pytest.mark.browser_context_args(timezone_id="Asia/Tokyo")
def test_it_is_in_the_chosen_zone(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?{DAY}")
    page.get_by_role("button", name="Local").click()
    chart = page.get_by_role("slider")
    chart.locator("[data-bar]").nth(22).hover()
    expect(page.locator("[data-readout]")).to_have_text(re.compile(r"^2026-10-06 07:00 to 2026-10-06 08:00 \+09:00: 2"))
    expect(page.locator(".chart-times text").first).to_have_text("5 Oct 11:00")
    page.get_by_text("Show as table").click()
    page.get_by_role("link", name="2026-10-06 07:00 to 2026-10-06 08:00 +09:00").click()
    expect(page.locator("tr[data-position]")).to_have_count(2)
    expect(page).to_have_url(re.compile("from=2026-10-06T07%3A00&to=2026-10-06T08%3A00&zone=Asia%2FTokyo$"))
    expect(page.get_by_role("textbox", name="From", exact=True)).to_have_value("2026-10-06T07:00")


@pytest.mark.full
@pytest.mark.usefixtures("calls")
def test_the_first_touch_reads_and_the_second_narrows(
    browser: Browser, browser_context_args: dict[str, Any], live_server: Any, alice: User, sign_in: SignIn
) -> None:
    context = browser.new_context(**{**browser_context_args, "has_touch": True})
    page = context.new_page()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?{DAY}")
    bar = page.get_by_role("slider").locator("[data-bar]").nth(9)
    bar.tap()
    expect(page.locator("[data-readout]")).to_have_text(re.compile("3 allowed, 1 denied$"))
    bar.tap()
    expect(page.locator("tr[data-position]")).to_have_count(4)
    context.close()


@pytest.mark.usefixtures("calls")
def test_the_same_numbers_are_a_table_without_javascript(
    plain_page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    sign_in(plain_page, alice.email, PASSWORD)
    plain_page.goto(f"{live_server.url}/logs/chart/?{DAY}")
    plain_page.get_by_text("Show as table").click()
    row = plain_page.locator(".breakdown tr").filter(has_text="2026-10-05 09:00 to")
    expect(row).to_have_text("2026-10-05 09:00 to 2026-10-05 10:00 UTC31")
    row.get_by_role("link").click()
    expect(plain_page.locator("tr[data-position]")).to_have_count(4)
