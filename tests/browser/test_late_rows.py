"""Calls that come late to the API log, or are asked for twice: each is on the page once, and counted as filtered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.held_requests import HeldRequests
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call, more_calls

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
ROWS = "table.table tbody tr:not(.day)"


def test_live_switched_off_and_on_before_an_answer_shows_each_call_once(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    a_call(alice.account, path="/before", time=datetime.now(UTC) - timedelta(hours=1))
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    held = HeldRequests(page, "**/logs/tail/**", limit=2)
    a_call(alice.account, path="/burst", time=datetime.now(UTC) - timedelta(minutes=1))
    live = page.get_by_role("button", name="Live")
    live.click()
    held.wait()
    live.click()
    live.click()
    held.wait(2)
    # The next answer after both says that the page has all.
    with page.expect_response(lambda answer: "/logs/tail/" in answer.url and answer.status == 204):
        for route in held.routes:
            route.continue_()
    expect(page.locator(ROWS)).to_have_count(2)


@pytest.mark.full
def test_calls_in_between_are_loaded_once_however_often_that_is_pressed(
    page: Page, live_server: Any, alice: User, sign_in: SignIn
) -> None:
    a_call(alice.account, path="/before", time=datetime.now(UTC) - timedelta(hours=1))
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    more_calls(a_call(alice.account, path="/burst", time=datetime.now(UTC) - timedelta(minutes=1)), 149)
    page.get_by_role("button", name="Live").click()
    link = page.locator("tr.gap").get_by_role("link")
    expect(link).to_be_visible()
    page.get_by_role("button", name="Live").click()
    held = HeldRequests(page, "**/logs/tail/**")
    link.click()
    held.wait()
    link.click()
    held.wait().continue_()
    expect(page.locator(ROWS)).to_have_count(151)
    assert len(held.routes) == 1


@pytest.mark.full
def test_the_total_is_that_of_the_last_filter(page: Page, live_server: Any, alice: User, sign_in: SignIn) -> None:
    now = datetime.now(UTC)
    more_calls(a_call(alice.account, time=now, decision="denied", reason="ip_not_allowed"), 59)
    more_calls(a_call(alice.account, time=now), 59)
    sign_in(page, alice.email, PASSWORD)
    held = HeldRequests(page, "**/logs/chart/**", limit=1)
    page.goto(f"{live_server.url}/logs/")
    first = held.wait().request
    with page.expect_event("requestfailed", lambda request: request == first):
        page.get_by_role("combobox", name="Decision").select_option("Denied")
    expect(page.locator("#rows-total")).to_have_text("of 60")
