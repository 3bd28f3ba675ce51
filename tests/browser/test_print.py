"""Lists on paper: without controls, with every column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from tests.browser.test_alignment import LINES
from tests.factories.accounts import PASSWORD
from tests.factories.keys import a_billing_key

pytestmark = [pytest.mark.full, pytest.mark.django_db(transaction=True)]
# The width of a sheet of A4 across, less its margins, in CSS pixels.
SHEET = 1009
# On the screen.
KEYS = ("Created", "Status", "Name", "Owner", "API", "Token", "Modules", "IP ACL", "Last used")
TRAIL = ("Time (UTC)", "Event", "From", "Number")
CONTROLS = ".filters, .bulk-actions, .row-actions, .tick, .tabs, .find-box, .side, .pages .button, main button"


def test_keys_and_trail_are_printed_whole_and_without_controls(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    key = a_billing_key(
        alice, "203.0.113.7", "2001:db8:7::/48", name="Invoice robot " * 10, modules=frozenset({"cdrs"})
    ).key
    sign_in(page, alice.email, PASSWORD)
    page.goto(live_server.url)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": SHEET, "height": 700})
    for path, columns in (
        ("/keys/", [*KEYS, "User status", "API ID", "Secret age"]),
        ("/audit/", [*TRAIL, "By", "Object", "Event name", "Request ID"]),
    ):
        page.goto(f"{live_server.url}{path}")
        shown = [each.inner_text() for each in page.locator("thead th").all() if each.is_visible()]
        assert [text.removesuffix("↓").strip() for text in shown] == columns
        assert page.evaluate("document.documentElement.scrollWidth") <= SHEET
        controls = page.locator(CONTROLS)
        assert controls.count() > 0
        assert [each for each in controls.all() if each.is_visible()] == []
    page.goto(f"{live_server.url}/keys/")
    created = page.locator("tbody time").first
    assert created.evaluate("each => getComputedStyle(each, '::after').content").startswith('"20')
    # Hidden columns are printed, and what is folded away on the screen is open.
    expect(page.get_by_role("cell", name=key.public_id, exact=True)).to_be_visible()
    expect(page.get_by_text("2001:db8:7::/48")).to_be_visible()
    page.emulate_media(media="screen")
    expect(page.get_by_role("cell", name=key.public_id, exact=True)).to_have_count(0)


def test_only_csv_is_opened_in_excel(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    a_billing_key(alice, name="Zoë")
    sign_in(page, alice.email, PASSWORD)
    page.goto(f"{live_server.url}/keys/")
    page.get_by_role("link", name="Export").click()
    modal = page.locator("#modal")
    modal.get_by_label("XLSX").check()
    expect(modal.get_by_label("Open in Excel")).to_be_hidden()
    modal.get_by_label("CSV", exact=True).check()
    modal.get_by_label("Open in Excel").check()
    modal.get_by_label("Separator").select_option("Semicolon")
    with page.expect_download() as download:
        modal.get_by_role("button", name="Export").click()
    content = download.value.path().read_bytes()
    assert content.startswith(b"\xef\xbb\xbfcreated;status;name;")
    assert "Zoë;" in content.decode()


def test_on_paper_an_address_is_in_one_piece(
    page: Page, live_server: Any, alice: User, sign_in: Callable[[Page, str, str], None]
) -> None:
    a_billing_key(alice, "203.0.113.64/26", "198.51.100.200")
    sign_in(page, alice.email, PASSWORD)
    page.set_viewport_size({"width": SHEET, "height": 700})
    page.emulate_media(media="print")
    for path, address in (("/keys/", "203.0.113.64/26"), ("/keys/", "198.51.100.200"), ("/audit/", alice.email)):
        page.goto(f"{live_server.url}{path}")
        cell = page.locator("tbody :is([data-label='IP ACL'] li, [data-label='By'])").get_by_text(address).last
        assert cell.evaluate(LINES) == 1, address
