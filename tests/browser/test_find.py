"""A token that is typed or pasted into a search is in no address, with JavaScript and without; the finder takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, Request, expect

from accounts.models import User
from core.permissions import Role
from keys.models import Api
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user, with_totp
from tests.factories.key_rows import KeyAndToken, a_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]
# The page, and the boxes on it that take text.
BOXES = {
    "/keys/": ("q", "owner"),
    "/logs/": ("key", "path"),
    "/audit/": ("who", "object"),
    "/ip-lists/": ("q",),
    "/users/": ("q",),
}


@pytest.fixture
def made(alice: User) -> KeyAndToken:
    assert alice.account is not None
    return a_key(alice.account, alice, Api.objects.get(slug="billing"), "Night worker")


class Addresses:
    """Every address that the browser asks for, or sends along as the one it comes from."""

    def __init__(self, page: Page) -> None:
        self.seen: list[str] = []
        page.on("request", self.note)

    def note(self, request: Request) -> None:
        self.seen += [request.url, request.headers.get("referer", "")]


def test_a_token_in_any_search_box_is_held_back_and_offered_to_the_finder(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, made: KeyAndToken
) -> None:
    secret = made.token.rsplit("_", 1)[1]
    sign_in(page, alice.email, PASSWORD)
    addresses = Addresses(page)
    for path, names in BOXES.items():
        page.goto(live_server.url + path)
        if page.get_by_text("More filters").count():
            page.get_by_text("More filters").click()
        for name in names:
            box = page.locator(f"form.filters [name={name}]")
            box.fill(f"Bearer {made.token}")
            offer = page.get_by_role("alert").filter(has_text="That looks like a token")
            expect(offer).to_be_visible()
            expect(box).to_have_value("")
            expect(offer.get_by_label("Find the key that this token belongs to")).to_be_focused()
    # One that is typed is held back before much of it is there.
    box.press_sequentially(made.token[:17])
    expect(page.get_by_label("Find the key that this token belongs to")).to_have_value(made.token[:17])
    page.goto(f"{live_server.url}/keys/")
    page.get_by_label("Search", exact=True).fill(made.token)
    assert_accessible(page)
    page.wait_for_timeout(400)  # a search that was under way would have been sent by now
    page.get_by_role("button", name="Find its key").click()
    expect(page.get_by_role("heading", name="1 key found by a token")).to_be_focused()
    expect(page.get_by_text("This is the key's current token.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Night worker").click()
    expect(page.get_by_role("heading", name="Night worker")).to_be_visible()
    assert [address for address in addresses.seen if secret[:8] in address] == []
    assert len(addresses.seen) > 20


def test_without_javascript_it_is_in_no_history_and_the_box_takes_it(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, made: KeyAndToken
) -> None:
    page, secret = plain_page, made.token.rsplit("_", 1)[1]
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/")
    page.get_by_label("Key", exact=True).fill(made.token)
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("looks like a secret")).to_be_visible()
    assert page.url == f"{live_server.url}/find/"
    assert secret not in page.content()
    page.go_back()
    assert page.url == f"{live_server.url}/logs/"
    page.get_by_text("Find by token, log line or request ID").click()
    page.get_by_label("Token, log line or request ID").fill(f'"GET /customers" 403 {made.token}')
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.get_by_role("link", name="Night worker")).to_be_visible()
    assert secret not in page.content()


def test_supports_search_holds_it_back_too(page: Page, live_server: Any, made: KeyAndToken, client: Client) -> None:
    support = a_user(None, "Sam", Role.SUPPORT)
    with_totp(support)
    client.force_login(support)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": live_server.url}])
    page.goto(f"{live_server.url}/admin/keys/key/")
    page.get_by_label("Search", exact=True).fill(made.token)
    page.get_by_role("button", name="Find its key").click()
    expect(page.get_by_text("This is the key's current token.")).to_be_visible()
