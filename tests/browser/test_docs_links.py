"""An integrator gets a link to a key's documentation, reads it without an account, and no longer once it is revoked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def key(alice: User) -> Key:
    return a_billing_key(alice, "203.0.113.7", name="Partner").key


def share(page: Page, url: str, key: Key) -> str:
    """Create a link from the key's page; return its path."""
    page.goto(f"{url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Share doc").click()
    page.get_by_role("button", name="Create link").click()
    text = page.locator(".link-text").text_content() or ""
    assert re.fullmatch(r"http://localhost:8000/docs/[\w-]{43}/", text)
    return text.removeprefix("http://localhost:8000")


def read_and_revoke(page: Page, reader: Page, url: str, path: str) -> None:
    assert reader.goto(url + path)
    expect(reader.get_by_role("heading", name="Documentation of Partner", level=1)).to_be_visible()
    expect(reader.get_by_text("GET /customers", exact=True).first).to_be_attached()
    expect(reader.get_by_role("navigation", name="Main")).to_have_count(0)
    page.get_by_role("button", name="Revoke link").click()
    expect(page.locator(".note").filter(has_text="Link revoked.")).to_have_text("Link revoked. It no longer works.")
    reader.reload()
    expect(reader.get_by_role("heading", name="This link is not valid")).to_be_visible()


def test_a_partner_reads_the_documentation_by_a_link(
    page: Page, browser: Browser, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    path = share(page, live_server.url, key)
    assert_accessible(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy", exact=True).last.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == f"http://localhost:8000{path}"
    partner = browser.new_context()
    reader = partner.new_page()
    reader.goto(live_server.url + path)
    assert_accessible(reader)
    read_and_revoke(page, reader, live_server.url, path)
    assert_accessible(reader)
    partner.close()


@pytest.mark.full
def test_without_javascript(
    plain_page: Page, browser: Browser, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(plain_page, alice.email, PASSWORD)
    path = share(plain_page, live_server.url, key)
    partner = browser.new_context(java_script_enabled=False)
    read_and_revoke(plain_page, partner.new_page(), live_server.url, path)
    partner.close()
