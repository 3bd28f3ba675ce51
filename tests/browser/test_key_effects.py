"""Before you save: the form says what a change would have done to the key's calls, while it is typed or as a step."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from keys.models import Key
from tests.browser.accessibility import assert_accessible
from tests.browser.held_requests import HeldRequests
from tests.factories.accounts import PASSWORD
from tests.factories.calls import a_call
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "maintenance"])
SignIn = Callable[[Page, str, str], None]


@pytest.fixture
def key(alice: User) -> Key:
    """Called from two places, last from the second."""
    key = a_billing_key(alice).key
    for address in ("198.51.100.7", "198.51.100.7", "203.0.113.9"):
        a_call(key.account, key_id=key.public_id, client_address=address)
    return key


def networks(key: Key) -> set[str]:
    return {str(address.network) for address in key.addresses.all()}


def test_while_an_address_is_typed_the_panel_says_whom_it_would_refuse(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    """Alice restricts a key to the office, and sees before saving that a server elsewhere uses it too."""
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/")
    page.get_by_role("link", name="Edit", exact=True).click()
    panel = page.locator("#panel")
    panel.get_by_label("Application name").fill("Renamed")
    panel.get_by_role("textbox", name="IP ACL").fill("203.0.113.0/24")
    panel.get_by_role("button", name="Add", exact=True).first.click()
    effect = panel.get_by_role("status", name="Effect on the calls of the last 30 days")
    expect(effect).to_contain_text("Would have refused 2 of 3 calls, from 1 address, on 1 module.")
    expect(effect.get_by_role("row", name=re.compile("198.51.100.7.*The address is not allowed 2 "))).to_be_visible()
    expect(effect.get_by_role("link", name=re.compile("198.51.100.7"))).to_have_attribute(
        "href", re.compile("/logs/.*address=198.51.100.7")
    )
    assert_accessible(page)
    # What was typed is still there, and adding the server makes the effect go.
    expect(panel.get_by_label("Application name")).to_have_value("Renamed")
    effect.get_by_role("button", name="Add them too").click()
    expect(page.get_by_text("Renamed saved.")).to_be_visible()
    assert networks(key) == {"203.0.113.0/24", "198.51.100.7/32"}


@pytest.mark.full
def test_the_effect_is_that_of_the_last_change(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    """Also of one that is made just before the effect of the last arrives."""
    page.clock.install()
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))
    acl = page.get_by_role("textbox", name="IP ACL")
    effect = page.get_by_role("status", name="Effect on the calls of the last 30 days")
    held = HeldRequests(page, "**/edit/")
    acl.fill("203.0.113.0/24")
    acl.press("Enter")
    page.clock.run_for(500)
    held.wait()
    acl.fill("198.51.100.7")
    acl.press("Enter")
    held.wait().continue_()
    expect(effect).to_contain_text("Would have refused 2 of 3 calls")
    page.clock.run_for(500)
    held.wait(2).continue_()
    expect(effect).not_to_contain_text("Would have refused 2 of 3 calls")


@pytest.mark.full
def test_enter_saves_what_was_typed_and_adds_nothing(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.get_by_role("textbox", name="IP ACL").fill("203.0.113.0/24")
    page.get_by_role("button", name="Add", exact=True).first.click()
    expect(page.get_by_role("button", name="Add them too")).to_be_visible()
    page.get_by_label("Application name").press("Enter")
    expect(page.get_by_text(f"{key.name} saved.")).to_be_visible()
    assert networks(key) == {"203.0.113.0/24"}


def test_to_refuse_every_call_a_box_must_be_ticked(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.get_by_role("textbox", name="IP ACL").fill("192.0.2.0/24")
    page.get_by_role("button", name="Save changes").click()
    asks = page.get_by_role("alert", name="Effect on the calls of the last 30 days")
    expect(asks).to_be_focused()
    expect(asks).to_contain_text("Every call that is allowed now would be refused")
    assert_accessible(page)
    with page.expect_response(lambda response: response.status == 409):
        page.get_by_role("button", name="Save changes").click()
    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(asks).to_be_focused()
    assert networks(key) == set()
    # The effect follows the form; the tick stays.
    with page.expect_response(lambda response: "check=live" in (response.request.post_data or "")):
        page.get_by_label("Yes, refuse these calls").check()
    expect(page.get_by_label("Yes, refuse these calls")).to_be_checked()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("robot saved.")).to_be_visible()
    assert networks(key) == {"192.0.2.0/24"}


def test_without_javascript_it_is_a_step_of_its_own(
    plain_page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    """Alice checks, corrects what she typed, and saves; nothing that she typed is lost."""
    page = plain_page
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/{key.public_id}/edit/")
    page.get_by_label("Application name").fill("Renamed")
    page.get_by_label("IP ACL").fill("192.0.2.0/24")
    page.get_by_role("button", name="Check effect").click()
    expect(page.get_by_text("Would have refused 3 of 3 calls, from 2 addresses, on 1 module.")).to_be_visible()
    expect(page.get_by_label("Yes, refuse these calls")).to_be_visible()
    expect(page.get_by_label("Application name")).to_have_value("Renamed")
    expect(page.get_by_label("IP ACL")).to_have_value("192.0.2.0/24")
    assert networks(key) == set()
    page.get_by_label("IP ACL").fill("203.0.113.9")
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("row", name=re.compile("198.51.100.7.* 2 "))).to_be_visible()
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("Renamed saved.")).to_be_visible()
    assert networks(key) == {"203.0.113.9/32"}


def test_an_entry_of_an_ip_list_says_which_keys_it_would_cut_off(
    page: Page, live_server: Any, sign_in: SignIn, alice: User, key: Key
) -> None:
    other = a_billing_key(alice, name="Shop").key
    a_call(other.account, key_id=other.public_id, client_address="198.51.100.7")
    office = an_ip_list(alice, "198.51.100.0/24", "203.0.113.9", used_by=key)
    other.list_grants.create(ip_list=office)
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/ip-lists/{office.pk}/")
    page.get_by_role("link", name="Edit 198.51.100.0/24").click()
    panel = page.locator("#panel")
    panel.get_by_label("Address or range").fill("198.51.100.128/25")
    panel.get_by_role("button", name="Save changes").click()
    asks = panel.get_by_role("alert", name="Effect on the calls of the last 30 days")
    expect(asks).to_be_focused()
    expect(asks).to_contain_text("Would have refused 3 of 4 calls, from 1 address, on 1 module, with 2 keys.")
    expect(asks.get_by_role("row", name=re.compile("198.51.100.7.* Shop .* 1 "))).to_be_visible()
    assert_accessible(page)
    asks.get_by_role("button", name="Add them too").click()
    expect(page.get_by_text("198.51.100.128/25 saved, and 1 address is added.")).to_be_visible()
    expect(page.locator("tr:target")).to_contain_text("198.51.100.128/25")
    expect(page.get_by_role("link", name="Edit 198.51.100.7", exact=True)).to_be_visible()
