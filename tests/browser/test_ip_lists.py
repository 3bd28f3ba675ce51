"""IP lists as an Administrator uses them: made, filled by pasting, used, changed, deleted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import Account, User
from core.permissions import Role
from keys.models import IpList
from tests.browser.accessibility import assert_accessible
from tests.factories.accounts import PASSWORD, a_user
from tests.factories.ip_lists import an_ip_list
from tests.factories.keys import a_billing_key

SignIn = Callable[[Page, str, str], None]
PASTED = f"""\
198.51.100.0/24, Berlin office
2001:db8:7::/48, Berlin office {"w" * 150}
198.51.100.77/24, Wrong bits
vpn.example.com, A name
192.0.2.1, Lab, maybe {"w" * 150}
192.0.2.2
"""


@pytest.fixture
def offices(alice: User) -> IpList:
    """A list with one live entry, which one key uses."""
    key = a_billing_key(alice, name="Invoice robot").key
    return an_ip_list(alice, "203.0.113.7", "!2001:db8::/32", used_by=key)


def test_a_list_is_made_and_filled_by_pasting(page: Page, live_server: Any, sign_in: SignIn, alice: User) -> None:
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="IP lists").click()
    expect(page.get_by_role("heading", name="No IP lists yet")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Add IP list").first.click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Name").fill("Offices")
    panel.get_by_role("textbox", name="Entries").fill("203.0.113.0/24")
    panel.get_by_role("textbox", name="Entries").press("Enter")
    panel.get_by_role("button", name="Add my current address").click()
    expect(panel.get_by_label("Name")).to_have_value("Offices")
    expect(panel.get_by_text("127.0.0.1", exact=True)).to_be_visible()
    assert_accessible(page)
    panel.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Offices")).to_be_visible()
    expect(page.get_by_text("No key uses this list.")).to_be_visible()
    assert_accessible(page)

    page.get_by_role("link", name="Import").click()
    expect(page.get_by_label("Paste entries")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Paste entries").fill(PASTED)
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("heading", name="3 invalid lines")).to_be_visible()
    expect(page.get_by_text("Did you mean 198.51.100.0/24 or 198.51.100.77?")).to_be_visible()
    for region in page.locator("main .scroll").all():
        assert region.evaluate("region => region.scrollWidth <= region.clientWidth")
    assert_accessible(page)
    page.get_by_role("button", name="Add 3 entries").click()
    expect(page.get_by_text("Some lines are invalid.")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("Skip the invalid lines").check()
    page.get_by_role("button", name="Add 3 entries").click()
    expect(page.get_by_text("3 entries are added.")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(6)
    page.get_by_role("link", name="IP lists").click()
    expect(page.get_by_text("5 enabled")).to_be_visible()
    assert_accessible(page)


def test_a_list_in_use_lets_no_more_in_without_the_password(
    page: Page, live_server: Any, sign_in: SignIn, offices: IpList
) -> None:
    sign_in(page, "alice@acme.example", PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="IP lists").click()
    page.get_by_role("link", name="Delete Offices").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Offices cannot be deleted while keys use it.")).to_be_visible()
    expect(dialog.get_by_role("link", name="Invoice robot")).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Offices", exact=True).click()
    expect(page.get_by_role("link", name="Invoice robot")).to_be_visible()
    page.get_by_role("link", name="Enable 2001:db8::/32").click()
    expect(dialog.get_by_label("Your password")).to_be_visible()
    assert_accessible(page)
    dialog.get_by_label("Your password").fill("wrong")
    dialog.get_by_role("button", name="Enable").click()
    expect(dialog.get_by_text("Incorrect password")).to_be_visible()
    dialog.get_by_label("Your password").fill(PASSWORD)
    dialog.get_by_role("button", name="Enable").click()
    expect(page.get_by_text("2001:db8::/32 is enabled.")).to_be_visible()

    page.get_by_label("Select all on this page").check()
    page.get_by_role("button", name="Disable", exact=True).click()
    expect(page.get_by_text("No enabled entries will be left.")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("button", name="Yes, disable").click()
    expect(page.get_by_text("No address is allowed.")).to_be_visible()
    assert_accessible(page)

    page.get_by_role("link", name="Edit 203.0.113.7").click()
    panel = page.get_by_role("dialog")
    panel.get_by_label("Address or range").fill("0.0.0.0/0")
    panel.get_by_label("Enabled").check()
    panel.get_by_role("button", name="Save changes").click()
    expect(panel.get_by_text("every IPv4 address, so it restricts nothing")).to_be_visible()
    assert_accessible(page)
    panel.get_by_label("I understand, add it anyway").check()
    panel.get_by_role("button", name="Save changes").click()
    expect(panel.get_by_text("so confirm with your password")).to_be_visible()
    assert_accessible(page)
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_role("button", name="Save changes").click()
    expect(page.get_by_text("0.0.0.0/0 saved.")).to_be_visible()


def test_by_keyboard_alone(page: Page, live_server: Any, sign_in: SignIn, offices: IpList) -> None:
    sign_in(page, "alice@acme.example", PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="IP lists").press("Enter")
    page.get_by_role("link", name="Offices", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Offices")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("2001:db8::5")
    expect(page.get_by_role("cell", name="203.0.113.7")).to_have_count(0)
    page.get_by_role("link", name="Edit 2001:db8::/32").press("Enter")
    expect(page.get_by_label("Address or range")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("Documentation")
    page.keyboard.press("Enter")
    expect(page.get_by_text("2001:db8::/32 saved.")).to_be_visible()
    expect(page.get_by_role("cell", name="Documentation")).to_be_visible()


@pytest.mark.full
def test_a_new_entry_is_marked_in_its_list(page: Page, live_server: Any, sign_in: SignIn, offices: IpList) -> None:
    sign_in(page, "alice@acme.example", PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="IP lists").click()
    page.get_by_role("link", name="Offices", exact=True).click()
    page.get_by_label("Status").select_option("Enabled")
    expect(page).to_have_url(re.compile("state=enabled$"))
    page.get_by_role("link", name="Add entry").click()
    panel = page.locator("#panel")
    panel.get_by_label("Address or range").fill("192.0.2.9")
    panel.get_by_label("Your password").fill(PASSWORD)
    panel.get_by_label("Your password").press("Enter")
    expect(page.get_by_text("192.0.2.9 is added.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"\?state=enabled#entry-\d+$"))
    expect(page.locator("tr:target")).to_contain_text("192.0.2.9")


@pytest.mark.full
def test_on_a_telephone(narrow_page: Page, live_server: Any, sign_in: SignIn, offices: IpList) -> None:
    page = narrow_page
    sign_in(page, "alice@acme.example", PASSWORD)
    for path in ("", f"{offices.pk}/", f"{offices.pk}/import/", "new/"):
        page.goto(f"{live_server.url}/ip-lists/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert_accessible(page)


@pytest.mark.full
def test_without_javascript(plain_page: Page, live_server: Any, sign_in: SignIn, offices: IpList) -> None:
    page = plain_page
    sign_in(page, "alice@acme.example", PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="IP lists").click()
    page.get_by_role("link", name="Add IP list").click()
    page.get_by_label("Name").fill("Homes")
    page.get_by_role("button", name="Add my current address").click()
    expect(page.get_by_role("textbox", name="Entries")).to_have_value("127.0.0.1")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("IP list Homes created.")).to_be_visible()
    page.get_by_role("link", name="Import").click()
    page.get_by_label("Or upload a file").set_input_files(
        {"name": "homes.csv", "mimeType": "text/csv", "buffer": PASTED.encode()}
    )
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("Skip the invalid lines").check()
    page.get_by_role("button", name="Add 3 entries").click()
    page.get_by_label("Select 192.0.2.2").check()
    page.get_by_label("Select 127.0.0.1").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("Delete these 2 entries of Homes?")).to_be_visible()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("2 entries are deleted.")).to_be_visible()
    page.get_by_role("link", name="IP lists").click()
    page.get_by_label("Select Homes").check()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Yes, delete").click()
    expect(page.get_by_text("Homes is deleted.")).to_be_visible()
    assert [ip_list.name for ip_list in IpList.objects.all()] == ["Offices"]


@pytest.mark.full
def test_a_reader_sees_and_changes_nothing(page: Page, live_server: Any, sign_in: SignIn, offices: IpList) -> None:
    a_user(Account.objects.get(), "Rita", Role.ACCOUNT_READER)
    sign_in(page, "rita@acme.example", PASSWORD)
    page.goto(live_server.url)
    page.get_by_role("link", name="IP lists").click()
    page.get_by_role("link", name="Offices", exact=True).click()

    expect(page.get_by_role("cell", name="203.0.113.7")).to_be_visible()
    assert page.locator("main input[type=checkbox]").count() == 0
    for name in ("Import", "Add entry", "Edit", "Delete", "Export"):
        expect(page.locator("main").get_by_text(name, exact=True)).to_have_count(0)
    assert_accessible(page)
