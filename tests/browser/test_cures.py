"""A partner's call is refused. From its row, the Administrator allows the address by the key's own form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Api, Key
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.key_rows import a_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]
ADDRESS = "198.51.100.40"


@pytest.fixture
def partner(alice: User) -> Key:
    """A key whose last calls were refused for their address."""
    assert alice.account is not None
    key = a_key(alice.account, alice, Api.objects.get(slug="billing"), "Partner", networks=("203.0.113.7",)).key
    Key.objects.filter(pk=key.pk).update(fields={"website": "https://shop.example", "platform": "server"})
    for _ in range(3):
        a_call(
            alice.account, key_id=key.public_id, key_name="Partner", path="/invoices",
            decision="denied", reason="ip_not_allowed", client_address=ADDRESS, module="invoices", rule="",
        )  # fmt: skip
    return key


def networks(key: Key) -> set[str]:
    return {str(address.network) for address in key.addresses.all()}


def test_from_the_refused_row_to_an_allowed_address(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, partner: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?decision=denied")
    page.locator("table.table tbody tr:not(.day)").first.get_by_role("link").first.click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text("Allowed: 203.0.113.7")
    expect(panel.get_by_role("link", name="Partner", exact=True)).to_be_visible()
    assert_accessible(page)
    panel.get_by_role("link", name=f"Allow {ADDRESS}").click()
    expect(panel.get_by_text(f"Added: {ADDRESS}.")).to_be_visible()
    effect = panel.get_by_role("status", name="Effect on the calls of the last 30 days")
    expect(effect).to_contain_text("Would have allowed 3 calls that were refused")
    assert_accessible(page)
    assert networks(partner) == {"203.0.113.7/32"}
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Save changes").click()
    # Back at the call, in the panel over the same list.
    expect(panel.get_by_text("Partner saved.")).to_be_visible()
    expect(panel.get_by_text("The same call would be allowed now.")).to_be_visible()
    expect(panel.get_by_role("heading", name="Call", exact=True)).to_be_focused()
    assert re.search(r"/logs/[0-9a-f-]{36}/$", page.url)
    page.keyboard.press("Escape")
    page.wait_for_url(f"{live_server.url}/logs/?decision=denied")
    assert networks(partner) == {"203.0.113.7/32", f"{ADDRESS}/32"}


def test_without_javascript(plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, partner: Key) -> None:
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?decision=denied")
    page.locator("table.table tbody tr:not(.day)").first.get_by_role("link").first.click()
    page.get_by_role("link", name=f"Allow {ADDRESS}").click()
    expect(page.get_by_label("IP ACL")).to_have_value(f"203.0.113.7\n{ADDRESS}")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Partner saved.")).to_be_visible()
    assert networks(partner) == {"203.0.113.7/32", f"{ADDRESS}/32"}


@pytest.mark.full
def test_enabling_leads_back_to_the_call_in_the_panel(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, partner: Key
) -> None:
    Key.objects.filter(pk=partner.pk).update(enabled=False)
    partner.addresses.all().delete()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/logs/?decision=denied")
    page.locator("table.table tbody a").first.click()
    panel = page.locator("#panel")
    expect(panel).to_contain_text("The same call would be refused now: the key is disabled.")
    panel.get_by_role("link", name="Enable").click()
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Enable").click()
    expect(panel.get_by_text("Partner is enabled.")).to_be_visible()
    expect(page.locator("#modal")).to_be_hidden()
    panel.get_by_role("button", name="Close").click()
    page.wait_for_url(f"{live_server.url}/logs/?decision=denied")
