"""A key is changed in its panel, the old secret is extended and ended, and all of it without JavaScript too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key, SecretUse
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True)
TOKEN = re.compile(r"kw_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def key(alice: User) -> Key:
    key = a_billing_key(alice, "203.0.113.0/24").key
    now = timezone.now()
    addresses = {"203.0.113.9": now.isoformat(), "203.0.113.77": now.isoformat()}
    SecretUse.objects.create(secret=key.secrets.get(), used_at=now, address="203.0.113.9", addresses=addresses)
    return key


def test_a_key_is_changed_in_a_panel(page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Change API key").click()
    panel, modal = page.locator("#panel"), page.locator("#modal")
    expect(page).to_have_url(re.compile(f"/keys/{key.public_id}/change/"))
    expect(panel.get_by_text("from 203.0.113.9")).to_be_visible()
    assert_accessible(page)
    panel.get_by_label("24 hours").check()
    panel.get_by_label("End it early").check()
    panel.get_by_label("Your password").fill("wrong")
    panel.get_by_role("button", name="Yes, change API key").click()
    expect(panel.get_by_text("9 attempts left")).to_be_visible()
    expect(panel.get_by_label("24 hours")).to_be_checked()
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Yes, change API key").click()
    expect(panel.get_by_text("Keep your access token private")).to_be_visible()
    token = panel.locator("[data-secret-value]").first.inner_text()
    assert TOKEN.fullmatch(token)
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name="Old secret")).to_be_visible()
    assert token not in page.content()
    expect(page.get_by_text("203.0.113.77")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Extend overlap", exact=True).click()
    modal.get_by_label("7 days").check()
    modal.get_by_label("Your password").fill(PASSWORD)
    assert_accessible(page)
    modal.get_by_role("button", name="Extend overlap").click()
    expect(page.get_by_text("works for another 7 days")).to_be_visible()
    page.get_by_role("link", name="End it now").click()
    assert_accessible(page)
    modal.get_by_role("button", name="Yes, end it now").click()
    expect(page.get_by_text("no longer works")).to_be_visible()
    expect(page.get_by_role("link", name="Extend overlap", exact=True)).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 844})
    assert_accessible(page)


@pytest.mark.full
def test_the_same_without_javascript(
    plain_page: Page, live_server: Any, alice: User, key: Key, sign_in: SignIn
) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Change API key").click()
    page.get_by_label("1 hour").check()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Yes, change API key").click()
    token = page.locator("[data-secret-value]").first.inner_text()
    assert TOKEN.fullmatch(token)
    page.reload()
    expect(page.get_by_text("This key already has a new secret.")).to_be_visible()
    assert token not in page.content()
    page.get_by_role("link", name="Open Invoice robot").click()
    page.get_by_role("link", name="End it now").click()
    page.get_by_role("button", name="Yes, end it now").click()
    expect(page.get_by_text("no longer works")).to_be_visible()
