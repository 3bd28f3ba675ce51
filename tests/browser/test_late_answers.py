"""Answers that come late, or in another order than they were asked for: what was done last holds."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.held_requests import HeldRequests
from tests.browser.painting import press_when_painted
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key, a_key_of
from tests.trail import since_the_beginning

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]
NEW = re.compile(r"/keys/new/\?api=billing$")
LIST = re.compile(r"/keys/\?status=active$")
# The browser goes back when it is let.
HELD_BACK = "() => { const back = history.back.bind(history); history.back = () => { history.released = back; }; }"
LATE_SCRIPTS = re.compile(r"/htmx[^/]*\.js|/js/leaving\.js")
TOKEN = re.compile(r"kw_\w{12}_\w{38}")
# Says when what waits for an answer's text has had it.
TELL_ANSWERED = """() => {
    const { fetch } = window;
    window.fetch = async (...asked) => {
        const answer = await fetch(...asked);
        answer.clone().text().then(() => setTimeout(() => { window.wasAnswered = asked[1]?.method === "POST"; }));
        return answer;
    };
}"""
NOT_BUSY = "each => each.ariaBusy === null"


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, name="Invoice robot").key


@pytest.fixture
def keys(page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn) -> Page:
    """The list of keys, with one key in it, seen by an administrator."""
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/?status=active")
    return page


@pytest.mark.full
def test_of_two_links_the_last_one_opens(keys: Page) -> None:
    held = HeldRequests(keys, NEW)
    add = keys.get_by_role("link", name="Add API key")
    add.click()
    held.wait()
    keys.get_by_role("link", name="Export").click()
    modal = keys.get_by_role("dialog", name="Export API keys")
    expect(modal).to_be_visible()
    held.wait().continue_()
    expect(add).not_to_have_attribute("aria-busy", "true")
    expect(keys.locator("#panel")).to_be_hidden()
    expect(modal).to_be_visible()
    expect(keys).to_have_url(LIST)


@pytest.mark.full
def test_what_a_closed_panel_asked_for_does_not_open(keys: Page, alice: User) -> None:
    a_key_of("cloud-pbx", alice)
    keys.reload()
    keys.get_by_role("link", name="Add API key").click()
    panel = keys.locator("#panel")
    link = panel.get_by_role("link", name="Cloud PBX")
    opener = link.element_handle()
    held = HeldRequests(keys, "**/keys/new/?api=cloud-pbx")
    link.click()
    held.wait()
    keys.keyboard.press("Escape")
    expect(keys).to_have_url(LIST)
    held.wait().continue_()
    keys.wait_for_function(NOT_BUSY, arg=opener)
    expect(panel).to_be_hidden()
    expect(keys).to_have_url(LIST)


def test_a_panel_opened_as_the_last_one_closes_stays(keys: Page) -> None:
    add, panel = keys.get_by_role("link", name="Add API key"), keys.get_by_role("dialog", name="Add API key")
    keys.add_init_script("addEventListener('popstate', () => { history.wentBack = true; });")
    keys.reload()
    add.click()
    expect(panel).to_be_visible()
    keys.evaluate(HELD_BACK)
    keys.keyboard.press("Escape")
    keys.wait_for_function("() => history.released")
    add.click()
    expect(panel).to_be_visible()
    panel.get_by_label("Application name").fill("Second")
    keys.evaluate("() => history.released()")
    keys.wait_for_function("() => history.wentBack")
    expect(keys).to_have_url(NEW)
    expect(panel.get_by_label("Application name")).to_have_value("Second")
    keys.evaluate("() => { history.back = history.released; }")
    panel.get_by_role("link", name="Cancel").click()
    expect(keys).to_have_url(LIST)
    expect(panel).to_be_hidden()


def ask_for_token(page: Page) -> None:
    page.get_by_role("button", name="Show token").click()
    page.get_by_label("Your password").fill(PASSWORD)


def test_a_token_is_shown_once_however_often_its_button_is_pressed(keys: Page, key: Key) -> None:
    ask_for_token(keys)
    held = HeldRequests(keys, "**/reveal/")
    show = keys.locator("#modal").get_by_role("button", name="Show token")
    show.click()
    held.wait()
    show.click()
    held.wait().continue_()
    expect(keys.locator("[data-secret]")).to_contain_text(TOKEN)
    assert len(held.routes) == 1
    assert since_the_beginning().filter(name="key.revealed").count() == 1


def test_a_token_is_not_shown_once_its_dialog_is_closed(keys: Page) -> None:
    ask_for_token(keys)
    held = HeldRequests(keys, "**/reveal/")
    modal = keys.locator("#modal")
    keys.evaluate(TELL_ANSWERED)
    modal.get_by_role("button", name="Show token").click()
    held.wait()
    keys.keyboard.press("Escape")
    keys.get_by_role("link", name="Export").click()
    expect(keys.get_by_role("dialog", name="Export API keys")).to_be_visible()
    held.wait().continue_()
    keys.wait_for_function("() => window.wasAnswered")
    expect(keys.get_by_role("dialog", name="Export API keys")).to_be_visible()
    expect(keys.locator("[data-secret]")).to_contain_text("********")


def test_what_was_selected_before_the_script_had_come_is_counted(keys: Page, live_server: Any) -> None:
    held = HeldRequests(keys, "**/js/selection.js")
    keys.goto(f"{live_server.url}/keys/", wait_until="commit")
    keys.get_by_label("Select Invoice robot").check()
    held.wait().continue_()
    expect(keys.get_by_text("With 1 selected:").first).to_be_visible()


@pytest.mark.full
def test_the_help_does_not_open_over_another_dialog(keys: Page, key: Key, live_server: Any) -> None:
    keys.goto(f"{live_server.url}/keys/{key.public_id}/docs/")
    held = HeldRequests(keys, LATE_SCRIPTS)
    press_when_painted(keys, "?")
    held.wait(2)
    keys.keyboard.press("Control+k")
    keys.keyboard.type("robot")
    for route in held.routes:
        route.continue_()
    expect(keys.locator("#hits").get_by_role("link")).to_have_count(1)
    expect(keys.locator("#help")).to_be_hidden()


@pytest.mark.full
def test_an_alert_stays_ten_seconds_though_another_came_before_it(
    page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn
) -> None:
    page.clock.install()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    ask_for_token(page)
    page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    alert, modal = page.locator("#alert"), page.locator("#modal")
    page.route("**/reveal/", lambda route: route.abort())
    for _ in range(2):
        with page.expect_event("requestfailed"):
            modal.get_by_role("button", name="Show token").click()
        expect(modal.locator("form[aria-busy]")).to_have_count(0)
        page.clock.run_for(6_000)
        expect(alert).to_contain_text("Could not reach Keyward.")
    page.clock.run_for(5_000)
    expect(alert).to_be_empty()
