"""What every page has: the menu, the theme, the clock, the way out; with and without JavaScript."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from core.permissions import Role
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import NARROW
from tests.browser.painting import press_when_painted
from tests.factories.accounts import PASSWORD, a_user, an_account
from tests.factories.calls import a_call

SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def alice(transactional_db: None) -> str:
    return a_user(an_account(), "alice", Role.ADMINISTRATOR).email


def test_the_sign_in_page_is_accessible(page: Page, live_server: Any) -> None:
    page.goto(f"{live_server.url}/login/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert_accessible(page)


def test_the_overview_and_a_missing_page_are_accessible(
    page: Page, live_server: Any, alice: str, sign_in: SignIn
) -> None:
    sign_in(page, alice, PASSWORD)
    page.goto(live_server.url)
    assert_accessible(page)
    page.goto(f"{live_server.url}/no-such-page/")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    assert_accessible(page)


@pytest.mark.full
def test_the_menu_opens_on_a_narrow_screen_without_javascript(
    plain_page: Page, live_server: Any, alice: str, sign_in: SignIn
) -> None:
    plain_page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    sign_in(plain_page, alice, PASSWORD)
    plain_page.goto(live_server.url)
    entry = plain_page.get_by_role("link", name="Overview")
    expect(entry).to_be_hidden()
    plain_page.get_by_role("button", name="Menu").click()
    expect(entry).to_be_visible()


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_kept(
    page: Page, alice: str, live_server: Any, sign_in: SignIn
) -> None:
    def ground() -> Any:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    sign_in(page, alice, PASSWORD)
    page.goto(live_server.url)
    page.emulate_media(color_scheme="light")
    light = ground()
    page.emulate_media(color_scheme="dark")
    dark = ground()
    assert light != dark
    page.get_by_role("button", name="Light theme").click()
    assert ground() == light
    page.reload()
    assert ground() == light
    page.get_by_role("button", name="System theme").click()
    assert ground() == dark


def test_without_javascript_no_control_that_needs_it_is_shown(
    plain_page: Page, alice: str, live_server: Any, sign_in: SignIn
) -> None:
    sign_in(plain_page, alice, PASSWORD)
    plain_page.goto(live_server.url)
    expect(plain_page.get_by_role("button", name="Dark theme")).to_be_hidden()
    expect(plain_page.get_by_role("button", name="Local")).to_be_hidden()


def test_signing_out_is_one_press_with_and_without_javascript(
    page: Page, plain_page: Page, alice: str, live_server: Any, sign_in: SignIn
) -> None:
    for browser_page in (page, plain_page):
        sign_in(browser_page, alice, PASSWORD)
        browser_page.goto(live_server.url)
        browser_page.get_by_role("button", name="Sign out").click()
        browser_page.wait_for_url("**/login/**")


def test_the_first_tab_stop_leads_past_the_menu(page: Page, alice: str, live_server: Any, sign_in: SignIn) -> None:
    sign_in(page, alice, PASSWORD)
    page.goto(live_server.url)
    press_when_painted(page, "Tab")
    skip = page.get_by_role("link", name="Skip to content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


def test_the_single_key_shortcuts_can_be_switched_off(
    page: Page, alice: str, live_server: Any, sign_in: SignIn
) -> None:
    sign_in(page, alice, PASSWORD)
    page.goto(live_server.url)
    press_when_painted(page, "?")
    help_dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(help_dialog).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(help_dialog).to_be_hidden()


@pytest.mark.parametrize("path", ["/keys/", "/logs/", "/audit/"])
def test_the_first_load_stays_under_60_kb_compressed(
    page: Page, live_server: Any, alice: str, sign_in: SignIn, path: str
) -> None:
    account = User.objects.get(email=alice).account
    for _ in range(60):
        a_call(account, reason="ip_not_allowed", decision="denied")
    sign_in(page, alice, PASSWORD)
    state = page.context.storage_state()
    assert page.context.browser is not None
    first_time = page.context.browser.new_context(storage_state=state)
    fresh = first_time.new_page()
    bodies: list[bytes] = []
    fresh.on("response", lambda response: bodies.append(response.body()))
    fresh.goto(f"{live_server.url}{path}", wait_until="networkidle")
    first_time.close()
    assert len(bodies) > 5
    # The test server does not compress static files; the portal's does. Headers are about half a kilobyte each.
    total = sum(len(gzip.compress(body)) + 500 for body in bodies)
    assert total < 60_000


@pytest.mark.full
def test_nothing_moves_while_a_long_page_loads(page: Page, live_server: Any, alice: str, sign_in: SignIn) -> None:
    account = User.objects.get(email=alice).account
    for number in range(60):
        reason = "ip_not_allowed" if number % 7 == 6 else ""
        path = "/customers" * (number % 5 + 1)
        a_call(account, path=path, reason=reason, decision="denied" if reason else "allowed")
    sign_in(page, alice, PASSWORD)
    page.goto(live_server.url)
    page.add_init_script(
        """window.moved = 0;
        new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.moved += entry.value; })
          .observe({ type: "layout-shift", buffered: true });"""
    )
    page.goto(f"{live_server.url}/logs/", wait_until="networkidle")
    expect(page.locator("table.table tbody tr:not(.day)")).to_have_count(50)
    assert page.evaluate("window.moved") == 0
