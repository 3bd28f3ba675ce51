"""The search over everything, by keyboard alone, by mouse on a telephone, and without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from accounts.models import User
from keys.models import Key
from keys.services import CreatedKey
from tests.browser.accessibility import assert_accessible
from tests.browser.held_requests import HeldRequests
from tests.browser.painting import press_when_painted
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]
LATE_SCRIPTS = re.compile(r"/htmx[^/]*\.js|/js/leaving\.js")


@pytest.fixture
def key(alice: User) -> Key:
    a_user(alice.account, "Partner person")
    a_billing_key(alice, name="Partner of the south")
    return a_billing_key(alice, name="Partner of the north").key


def test_by_keyboard_from_anywhere_to_a_key(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    for path in ("/logs/", f"/keys/{key.public_id}/docs/"):
        page.goto(live_server.url + path)
        press_when_painted(page, "Control+k")
        box = page.get_by_label("Search for")
        expect(box).to_be_focused()
        page.keyboard.type("partner")
        north = page.locator("#hits").get_by_role("link", name="Partner of the north")
        expect(north).to_be_visible()
        expect(page.locator("#hits").get_by_role("heading")).to_have_text(["API keys", "Users"])
        assert_accessible(page)
        page.keyboard.press("ArrowDown")
        expect(north).to_be_focused()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        expect(box).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#modal")).to_be_hidden()
        page.keyboard.press("Control+k")
        expect(box).to_be_focused()
        page.keyboard.type("north")
        expect(page.locator("#hits").get_by_role("link")).to_have_count(1)
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(f"/keys/{key.public_id}/$"))


def test_what_is_typed_at_once_is_searched(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    # The second page has no htmx before its first dialog.
    for path, scripts in (("/keys/", 1), (f"/keys/{key.public_id}/docs/", 2)):
        page.goto(live_server.url + path)
        held = HeldRequests(page, LATE_SCRIPTS)
        press_when_painted(page, "Control+k")
        held.wait(scripts)
        page.keyboard.type("north")
        expect(page.get_by_label("Search for")).to_have_value("north")
        for route in held.routes:
            route.continue_()
        page.unroute(LATE_SCRIPTS)
        expect(page.locator("#hits").get_by_role("link")).to_have_text(["Partner of the north"])
        page.keyboard.type("ern")
        expect(page.locator("#hits")).to_contain_text("Nothing found yet")


@pytest.mark.full
def test_a_search_opened_again_before_its_scripts_have_come(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    # A page without htmx before its first dialog.
    page.goto(f"{live_server.url}/keys/{key.public_id}/docs/")
    held = HeldRequests(page, LATE_SCRIPTS)
    press_when_painted(page, "Control+k")
    held.wait(2)
    page.keyboard.press("Escape")
    expect(page.locator("#modal")).to_be_hidden()
    page.keyboard.press("Control+k")
    page.keyboard.type("north")
    for route in held.routes:
        route.continue_()
    expect(page.locator("#hits").get_by_role("link")).to_have_text(["Partner of the north"])


def test_a_pasted_token_is_in_no_address_and_found_by_enter(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, made: CreatedKey
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    addresses: list[str] = []

    def note(request: Request) -> None:
        addresses.extend((request.url, request.headers.get("referer", "")))

    page.on("request", note)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("link", name="Search", exact=False).first.click()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        "text => navigator.clipboard.writeText(text)", f"GET /customers\nAuthorization: Token {made.token}\n403"
    )
    page.get_by_label("Search for").press("Control+v")
    expect(page.locator("#hits")).to_contain_text("Press Enter to find the key of this token")
    page.get_by_label("Search for").press("Enter")
    expect(page.get_by_role("heading", name="1 key found by a token")).to_be_visible()
    assert made.token not in page.content()
    assert [address for address in addresses if made.token[-20:] in address] == []
    # From now on a reload sends nothing again.
    expect(page).to_have_url(f"{live_server.url}/find/?keys={made.key.public_id}")
    page.reload()
    expect(page.get_by_role("heading", name="The key that you found")).to_be_visible()


@pytest.mark.full
def test_on_a_telephone(narrow_page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key) -> None:
    page = narrow_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("button", name="Menu").click()
    page.locator("#search-open").click()
    page.get_by_label("Search for").fill("partner")
    page.locator("#hits").get_by_role("link", name="Partner person").click()
    expect(page.get_by_role("heading", name="Partner person")).to_be_visible()


@pytest.mark.full
def test_without_javascript(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key, made: CreatedKey
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.locator("#search-open").click()
    page.get_by_label("Search for").fill("partner")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("link", name="Partner person")).to_be_visible()
    expect(page.get_by_label("Search for")).to_have_value("partner")
    page.get_by_label("Search for").fill(made.token)
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("heading", name="1 key found by a token")).to_be_visible()
    assert made.token not in page.content()
